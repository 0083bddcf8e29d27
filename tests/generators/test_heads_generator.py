"""The bundled generator: its architecture on toy sizes, and the asset itself."""

from __future__ import annotations

import pytest
import torch
from conftest import TOY

from hfinv.camera import concatenate, look_at, orbit
from hfinv.generators import BUNDLED, load_generator
from hfinv.generators.base import Rendering
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
def test_the_bundled_head_fills_the_middle_from_all_sides_and_leaves_corners_empty(
    heads: Heads,
) -> None:
    # About the origin, not EG3D's pivot, so that a head seen from the side stays in the middle.
    yaw = torch.arange(8) * torch.pi / 4
    w_plus = heads.mean_latent()
    seen = heads.render(heads.planes(w_plus), w_plus, look_at(yaw, 0.1, pivot=(0.0, 0.0, 0.0)))
    assert (seen.alpha[:, 0, 100:140, 108:148].mean((1, 2)) > 0.97).all()
    assert (seen.alpha[:, 0, 60:80, :8].mean((1, 2)) < 0.2).all()
    assert (seen.alpha.mean((1, 2, 3)) < 0.75).all()


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


def seen_with(heads: Heads, name: str, amount: float) -> Rendering:
    """The mean head from the front, but for one factor."""
    z = torch.zeros(1, len(heads.card.factors))
    z[0, [factor.name for factor in heads.card.factors].index(name)] = amount
    with torch.no_grad():
        w_plus = heads.map(z)
        return heads.render(heads.planes(w_plus), w_plus, look_at(0.0))


def test_light_from_the_right_brightens_the_right_of_the_face(heads: Heads) -> None:
    def lean(amount: float) -> float:
        face = seen_with(heads, "light_right", amount).image[0, :, 110:170]
        return float(face[..., 140:170].mean() - face[..., 86:116].mean())

    assert lean(2.0) > lean(0.0) + 0.1 > lean(-2.0) + 0.2


def test_longer_hair_covers_more_of_the_picture(heads: Heads) -> None:
    covered = [seen_with(heads, "hair_length", amount).alpha.mean() for amount in (-2.0, 0.0, 2.0)]
    assert covered[0] < covered[1] < covered[2]


def test_grey_hair_is_lighter_than_dark_hair(heads: Heads) -> None:
    top = [seen_with(heads, "hair_grey", a).image[0, :, 20:40, 110:146].mean() for a in (-2.0, 2.0)]
    assert top[1] > top[0] + 0.05
