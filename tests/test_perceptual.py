"""LPIPS agrees with the package it comes from."""

from __future__ import annotations

import lpips
import pytest
import torch
from safetensors.torch import load_file

from hfinv.errors import WeightsError
from hfinv.perceptual import ASSETS, Perceptual


def pictures(count: int, size: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_it_equals_the_package_with_the_same_backbone(perceptual: Perceptual) -> None:
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    package.load_state_dict(
        {k: v.float() for k, v in load_file(ASSETS / "lpips_alex.safetensors").items()},
        strict=False,
    )
    a, b = pictures(2).chunk(2)
    assert perceptual(a, b).item() == pytest.approx(package(a, b).item(), rel=1e-4)


def test_the_trained_layers_weights_are_those_of_the_package_not_random(
    perceptual: Perceptual,
) -> None:
    # Published LPIPS layers are never negative and far from each other in size; random ones are neither.
    assert all((layer.model[-1].weight >= 0).all() for layer in perceptual.model.lins)


def test_an_image_is_at_no_distance_from_itself_and_blur_grows_with_its_width(
    perceptual: Perceptual,
) -> None:
    image = pictures(1)
    soft = torch.nn.functional.avg_pool2d(image, 3, 1, 1)
    softer = torch.nn.functional.avg_pool2d(image, 7, 1, 3)
    assert perceptual(image, image).item() < 1e-6
    assert 0 < perceptual(image, soft).item() < perceptual(image, softer).item()


def test_a_weight_of_zero_hides_a_difference(perceptual: Perceptual) -> None:
    image = pictures(1, 128)
    changed = image.clone()
    changed[..., :32] = 0
    weight = torch.ones(1, 1, 128, 128)
    weight[..., :100] = 0
    assert perceptual(image, changed, weight).item() < 0.1 * perceptual(image, changed).item()


def test_gradients_reach_the_image(perceptual: Perceptual) -> None:
    image = pictures(1).requires_grad_()
    perceptual(image, pictures(1).flip(-1)).sum().backward()
    assert image.grad.abs().sum() > 0


def test_in_half_precision_it_says_the_same_to_half_a_percent_and_points_the_same_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hfinv.device.has_fast_half", lambda device: True)
    found = {}
    for half in (False, True):
        image = pictures(1).requires_grad_()
        perceptual = Perceptual("vgg", half)
        distance = perceptual(image, pictures(1).flip(-1)).sum()
        distance.backward()
        found[half] = distance.item(), image.grad.flatten()
    (exact, slope), (rough, rough_slope) = found[False], found[True]
    assert rough != exact and rough == pytest.approx(exact, rel=5e-3)
    assert torch.cosine_similarity(slope, rough_slope, 0) > 0.99


def test_a_backbone_that_is_not_bundled_is_refused_in_a_sentence() -> None:
    with pytest.raises(WeightsError, match="`squeeze` is not bundled"):
        Perceptual("squeeze")
