"""The bundled generator: its architecture on toy sizes, and the asset itself."""

from __future__ import annotations

import pytest
import torch
from conftest import TOY

from hfinv.camera import concatenate, look_at, orbit
from hfinv.generators import BUNDLED, load_generator
from hfinv.generators.heads import Heads
from hfinv.training import TrainConfig, begin


@pytest.fixture(scope="module")
def toy() -> Heads:
    return begin(TrainConfig(network=TOY)).generator.requires_grad_(False)


def latent(generator: Heads, count: int = 1) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return generator.map(torch.randn(count, len(generator.card.factors), generator=rng))


def test_shapes_follow_the_card(toy: Heads) -> None:
    w_plus = latent(toy, 2)
    planes = toy.planes(w_plus)
    assert w_plus.shape == (2, toy.card.num_ws, 16) and planes.shape == (2, 4, 8, 16, 16)
    seen = toy.render(planes, w_plus, concatenate([look_at(0.0), look_at(1.0)]))
    assert seen.image.shape == (2, 3, 64, 64) and seen.alpha.shape == (2, 1, 64, 64)
    assert seen.raw.shape == (2, 3, 16, 16) and seen.distance.shape == (2, 1, 16, 16)


def test_only_the_background_changes_with_the_background(toy: Heads) -> None:
    w_plus = latent(toy)
    planes = toy.planes(w_plus)
    black, white = (toy.render(planes, w_plus, look_at(0.3), background=b) for b in (-1.0, 1.0))
    assert torch.allclose(
        white.image - black.image, 2 * (1 - white.alpha).expand(-1, 3, -1, -1), atol=1e-5
    )
    assert torch.allclose(
        white.raw - black.raw, 2 * (1 - white.opacity).expand(-1, 3, -1, -1), atol=1e-5
    )


def test_every_factor_moves_the_planes(toy: Heads) -> None:
    z = torch.zeros(1, len(toy.card.factors))
    still = toy.planes(toy.map(z))
    for index in range(0, z.shape[1], 10):
        moved = z.clone()
        moved[0, index] = 1.0
        assert (toy.planes(toy.map(moved)) - still).abs().max() > 0


def test_truncation_goes_from_the_mean_to_the_head(toy: Heads) -> None:
    z = torch.randn(1, len(toy.card.factors), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(toy.map(z, 0.0), toy.mean_latent())
    half = (toy.map(z, 0.0) + toy.map(z, 1.0)) / 2
    assert torch.allclose(toy.map(z, 0.5), half, atol=1e-5)


def test_shared_planes_draw_what_single_ones_draw(toy: Heads) -> None:
    w_plus = latent(toy)
    planes, cameras = toy.planes(w_plus), orbit(3)
    together = toy.render(planes, w_plus, cameras)
    for index in range(3):
        alone = toy.render(planes, w_plus, cameras[index])
        assert torch.allclose(together.image[index], alone.image[0], atol=1e-4)


def test_gradients_reach_planes_weights_latent_and_camera() -> None:
    generator = begin(TrainConfig(network=TOY)).generator
    w_plus = latent(generator).detach().requires_grad_()
    camera = look_at(0.2)
    camera.cam2world.requires_grad_()
    planes = generator.planes(w_plus)
    planes.retain_grad()
    generator.render(planes, w_plus, camera).image.sum().backward()
    for reached in (w_plus, camera.cam2world, planes, generator.backbone.b4.const):
        assert reached.grad.abs().sum() > 0


def test_no_random_number_is_drawn_while_rendering(toy: Heads) -> None:
    w_plus = latent(toy)
    before = torch.get_rng_state()
    first, second = (toy.render(toy.planes(w_plus), w_plus, look_at(0.1)).image for _ in range(2))
    assert torch.equal(first, second) and torch.equal(before, torch.get_rng_state())


@pytest.fixture(scope="module")
def heads() -> Heads:
    return load_generator("heads")


def test_the_bundled_asset_is_small_labelled_and_says_how_it_was_made(heads: Heads) -> None:
    assert BUNDLED["heads"].stat().st_size < 28e6
    assert sum(p.numel() for p in heads.parameters()) < 14e6
    names = [factor.name for factor in heads.card.factors]
    assert len(names) == len(set(names)) and {"smile", "age", "gender"} <= set(names)
    assert "steps" in heads.card.made and heads.card.licence


@torch.no_grad()
def test_the_bundled_head_is_there_from_all_sides_and_its_corners_are_empty(heads: Heads) -> None:
    w_plus = heads.mean_latent()
    seen = heads.render(heads.planes(w_plus), w_plus, orbit(8, pitch=0.1))
    middle = seen.alpha[:, 0, 100:140, 100:140]
    assert (middle.mean((1, 2)) > 0.97).all()
    assert seen.alpha[:, 0, :24, :24].max() < 0.1 and seen.alpha[:, 0, :24, -24:].max() < 0.1


@torch.no_grad()
def test_the_bundled_face_is_on_the_front_and_not_on_the_back(heads: Heads) -> None:
    """Skin has red well above blue; hair and the back of a head are dark by comparison."""
    w_plus = heads.mean_latent()
    seen = heads.render(
        heads.planes(w_plus), w_plus, concatenate([look_at(0.0), look_at(torch.pi)])
    )
    face = seen.image[:, :, 90:170, 100:156]
    warmth = (face[:, 0] - face[:, 2]).mean((1, 2))
    assert warmth[0] > warmth[1] + 0.1


@torch.no_grad()
def test_smiling_widens_the_mouths_colours_only_in_front(heads: Heads) -> None:
    index = [factor.name for factor in heads.card.factors].index("smile")
    z = torch.zeros(2, len(heads.card.factors))
    z[1, index] = 2.5
    w_plus = heads.map(z)
    planes = heads.planes(w_plus)
    front = heads.render(planes, w_plus, concatenate([look_at(0.0)] * 2)).image
    back = heads.render(planes, w_plus, concatenate([look_at(torch.pi)] * 2)).image
    moved = (front[1] - front[0]).abs().mean(0)
    assert moved[150:200, 90:166].mean() > 3 * (back[1] - back[0]).abs().mean()
