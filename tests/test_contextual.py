"""The contextual loss against loops, and VGG against the range it was trained in."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from hfinv.contextual import Contextual, contextual
from hfinv.perceptual import Perceptual


@pytest.fixture(scope="module")
def vgg() -> Contextual:
    return Contextual()


def slow(found: torch.Tensor, wanted: torch.Tensor, bandwidth: float) -> float:
    """Equations 1 to 5 of the paper, one pair of features at a time; [C, N] each."""
    mean = wanted.mean(1)
    x, y = [(f - mean) / (f - mean).norm() for f in found.T], [
        (f - mean) / (f - mean).norm() for f in wanted.T
    ]
    alike = torch.zeros(len(x), len(y))
    for i in range(len(x)):
        distance = [1 - float(x[i] @ y[j]) for j in range(len(y))]
        weight = [math.exp((1 - min(d / (min(distance) + 1e-5), 10)) / bandwidth) for d in distance]
        for j in range(len(y)):
            alike[i, j] = weight[j] / sum(weight)
    return -math.log(float(sum(alike[:, j].max() for j in range(len(y)))) / len(y) + 1e-5)


def pictures(size: int = 48) -> torch.Tensor:
    coarse = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return 2 * F.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1) - 1


def test_the_loss_is_the_papers() -> None:
    generator = torch.Generator().manual_seed(0)
    found, wanted = (torch.randn(1, 6, 3, 4, generator=generator) for _ in range(2))
    expected = slow(found[0].flatten(1), wanted[0].flatten(1), 0.5)
    assert contextual(found, wanted, 0.5).item() == pytest.approx(expected, rel=1e-4)


def test_a_picture_has_no_distance_from_itself_nor_when_its_features_change_places() -> None:
    features = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(0))
    assert contextual(features, features, 0.5).item() < 0.01
    assert contextual(features.flip(-1), features, 0.5).item() < 0.01
    other = torch.randn(1, 16, 4, 4, generator=torch.Generator().manual_seed(1))
    assert contextual(other, features, 0.5).item() > 0.5


def test_vgg_sees_pictures_in_the_range_and_with_the_statistics_it_was_trained_with(
    vgg: Contextual,
) -> None:
    picture = pictures()
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    spread = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    net = vgg.perceptual.model.net
    conv = {
        name: layer for part in (net.slice1, net.slice2) for name, layer in part.named_children()
    }
    with torch.no_grad():
        maps = F.relu(conv["0"](((picture + 1) / 2 - mean) / spread))
        maps = F.max_pool2d(F.relu(conv["2"](maps)), 2)
        expected = conv["5"](maps)
        found = vgg.features(picture)
        wrong = F.max_pool2d(F.relu(conv["2"](F.relu(conv["0"]((picture - mean) / spread)))), 2)
    assert found.shape == (2, 128, 24, 24)
    assert torch.allclose(found, expected, atol=2e-2)
    assert (conv["5"](wrong) - expected).abs().mean() > 10 * (found - expected).abs().mean()


def test_a_shift_costs_less_than_another_picture(vgg: Contextual) -> None:
    first, second = pictures().split(1)
    shifted = vgg(first, first.roll(4, -1)).item()
    assert vgg(first, first).item() < shifted < vgg(first, second).item()


def test_the_picture_gets_a_gradient_and_the_target_none(vgg: Contextual) -> None:
    picture, target = (x.requires_grad_() for x in pictures().detach().split(1))
    picture, target = picture.detach().requires_grad_(), target.detach().requires_grad_()
    vgg(picture, target).sum().backward()
    assert picture.grad.abs().sum() > 0 and target.grad is None


def test_a_network_that_is_there_already_is_used_again() -> None:
    perceptual = Perceptual("vgg")
    assert Contextual(perceptual=perceptual).perceptual is perceptual


def test_pictures_of_different_sizes_are_refused(vgg: Contextual) -> None:
    with pytest.raises(ValueError, match="target is"):
        vgg(pictures(), pictures(32))
