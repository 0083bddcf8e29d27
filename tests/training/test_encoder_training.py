"""Spoiled pictures keep their truth, and a small encoder learns from them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TOY

from hfinv.camera import Camera, concatenate, look_at
from hfinv.encoders import load_encoder
from hfinv.errors import HfinvError
from hfinv.generators import checkpoint
from hfinv.generators.base import Factor
from hfinv.generators.heads import Heads
from hfinv.latent import move
from hfinv.training import card
from hfinv.training.augment import AugmentConfig, augment, inverse, jitter, standardise
from hfinv.training.drawn import draw_heads
from hfinv.training.encoder import EncoderConfig, to_power, train_encoder
from hfinv.training.fronts import read_fronts
from hfinv.training.metric import picture_metric

PIVOT = (0.0, 0.0, 0.2)


@pytest.fixture(scope="module")
def generator() -> Heads:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Heads(card(TOY)).eval().requires_grad_(False)
        generator.mapping.measure(256)
    return generator


@pytest.fixture(scope="module")
def discs(tmp_path_factory: pytest.TempPathFactory, generator: Heads) -> Path:
    """Discs whose grey is the first factor, seen from the front and from behind."""
    folder = tmp_path_factory.mktemp("discs")
    v, u = np.mgrid[:32, :32] / 31 - 0.5
    inside = np.hypot(u, v) < 0.35
    for index in range(24):
        z = np.zeros(len(generator.card.factors), np.float32)
        z[0] = (index - 11.5) / 8
        colour = np.full((2, 32, 32, 4), 127 + 70 * z[0])
        colour[..., 3] = 255
        label = concatenate([look_at(0.1), look_at(math.pi)]).label().numpy()
        np.savez(
            folder / f"head_{index:05d}.npz",
            z=z,
            label=label,
            colour=(inside[..., None] * colour).astype(np.uint8),
            distance=np.zeros((2, 4, 4), np.float32),
        )
    return folder


def test_the_inverse_motion_brings_a_camera_back() -> None:
    motion = torch.tensor([[0.1, -0.2, 0.05, 0.03, -0.01, 0.02]])
    there = move(look_at(0.4, 0.1), motion, PIVOT)
    back = move(there, inverse(motion), PIVOT)
    assert torch.allclose(back.cam2world, look_at(0.4, 0.1).cam2world, atol=1e-5)


def test_a_standardised_camera_sees_the_pivot_where_the_odd_one_did_and_as_large() -> None:
    odd = look_at(0.3, 0.1, focal=4.6)
    odd.intrinsics[:, 0, 2] = 0.53
    usual = standardise(odd, PIVOT)
    right = odd.cam2world[:, :3, 0]
    points = torch.tensor([PIVOT])[None] + torch.stack([0 * right, 0.02 * right], 1)
    assert torch.allclose(odd.project(points)[0], usual.project(points)[0], atol=1e-4)
    assert usual.intrinsics[0, 0, 0] == pytest.approx(4.2647)


def test_a_jittered_crop_shows_a_point_where_its_camera_says() -> None:
    # A blurred dot at the picture of a world point near the pivot; after the jitter the dot must be at
    # the point's new picture.
    point = torch.tensor([[[0.05, 0.04, 0.2]]])
    camera = concatenate([look_at(0.2)] * 6)
    x, y = camera.project(point.expand(6, -1, -1))[0][0, 0].tolist()
    v, u = torch.meshgrid(*[(torch.arange(128) + 0.5) / 128] * 2, indexing="ij")
    dot = torch.exp(-((u - x) ** 2 + (v - y) ** 2) / 2e-3).expand(6, 4, -1, -1)
    moved, cameras = jitter(dot, camera, PIVOT, AugmentConfig(), np.random.default_rng(0))
    weight = moved[:, 3] / moved[:, 3].sum((1, 2), keepdim=True)
    found = torch.stack([(weight * u).sum((1, 2)), (weight * v).sum((1, 2))], 1)
    wanted = cameras.project(point.expand(6, -1, -1))[0][:, 0]
    assert (found - wanted).abs().max() < 2e-3
    assert (wanted - torch.tensor([x, y])).abs().max() > 0.01


def test_augmented_pictures_stay_pictures_and_their_motion_mends_their_camera() -> None:
    clean = torch.rand(8, 4, 32, 32)
    clean[:, :3] *= clean[:, 3:]
    camera = concatenate([look_at(0.1 * k) for k in range(8)])
    config = AugmentConfig(scale=0, shift=0, roll_deg=0)
    made = augment(clean, camera, PIVOT, config, np.random.default_rng(3))
    colour, alpha = made.crop[:, :3], made.crop[:, 3:]
    assert alpha.min() >= 0 and alpha.max() <= 1 + 1e-5
    assert (colour.abs() <= alpha + 1e-4).all()
    mended = move(made.camera, made.motion, PIVOT)
    assert torch.allclose(mended.cam2world, camera.cam2world, atol=1e-4)
    assert (made.camera.cam2world - camera.cam2world).abs().max() > 5e-3


def test_only_views_from_the_front_are_read(discs: Path, generator: Heads) -> None:
    fronts = read_fronts(discs, 16, math.radians(60), generator.card.factors)
    assert fronts.heads == 24 and fronts.colour.shape == (24, 4, 16, 16)
    assert fronts.camera.angles()[0].abs().max() < 0.2
    with pytest.raises(HfinvError, match="factors"):
        read_fronts(discs, 16, 1.0, (Factor("one", "one"),))


def test_heads_drawn_twice_are_the_same_and_match_the_rendering(
    tmp_path: Path, generator: Heads
) -> None:
    draw_heads(tmp_path / "a", generator, 2, 2, seed=5)
    draw_heads(tmp_path / "b", generator, 2, 2, seed=5)
    with np.load(tmp_path / "a/head_00001.npz") as a, np.load(tmp_path / "b/head_00001.npz") as b:
        assert all((a[name] == b[name]).all() for name in a.files)
        w = generator.map(torch.from_numpy(a["z"])[None])
        camera = Camera(*camera_parts(a["label"][:1]))
        alpha = generator.render(generator.planes(w), w, camera).alpha
        stored = torch.from_numpy(a["colour"][:1, ..., 3]).float() / 255
    assert (alpha[:, 0] - stored).abs().mean() < 0.02  # drawn in bfloat16


def camera_parts(label: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(label[:, :16]).reshape(-1, 4, 4), torch.from_numpy(
        label[:, 16:]
    ).reshape(-1, 3, 3)


def test_the_metric_foretells_how_the_picture_changes(generator: Heads) -> None:
    metric = picture_metric(generator, heads=2, seed=0)
    assert torch.allclose(metric, metric.mT, atol=1e-6)
    assert torch.linalg.eigvalsh(metric).min() > -1e-5 * metric.trace()
    # The toy is far from linear; on average over directions the forecast must be of the right size.
    from hfinv.training.metric import drawing

    bases = torch.randn(2, len(metric), generator=torch.Generator().manual_seed(0))
    steps = 0.1 * torch.randn(4, len(metric), generator=torch.Generator().manual_seed(1))
    seen = [
        (drawing(generator, base + step) - drawing(generator, base)).square().mean()
        for base in bases
        for step in steps
    ]
    foretold = [step @ metric @ step for step in steps]
    assert np.mean(seen) == pytest.approx(np.mean(foretold), rel=0.5)


def small(tmp_path: Path, generator: Heads, **more: object) -> EncoderConfig:
    path = tmp_path / "toy.safetensors"
    checkpoint.save(generator, path)
    mild = AugmentConfig(light=0, tint=0, covered=0, noise=0.01, roll_deg=1)
    return EncoderConfig(
        generator=str(path),
        drawn_heads=2,
        photographed_share=0.75,
        size=16,
        widths=(8, 16),
        blocks=1,
        hidden=16,
        batch=8,
        metric_heads=1,
        half=False,
        save_every=10,
        augment=mild,
        **more,
    )


def test_an_encoder_learns_the_grey_of_discs_and_resumes_to_the_same_weights(
    discs: Path, tmp_path: Path, generator: Heads
) -> None:
    config = small(tmp_path, generator, steps=100, learning_rate=1e-2, average=0.9)
    whole = train_encoder(tmp_path / "whole", config, discs)

    def stop(step: object) -> None:
        if step.stage == "encoder" and step.step == 31:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_encoder(tmp_path / "cut", config, discs, stop)
    assert (tmp_path / "cut/checkpoint_0000030.safetensors").is_file()
    cut = train_encoder(tmp_path / "cut", config, discs)
    assert whole.read_bytes() == cut.read_bytes()

    encoder = load_encoder(whole)
    fronts = read_fronts(discs, 16, 1.0, generator.card.factors)
    colour = fronts.colour.float() / 255
    crop = torch.cat([2 * colour[:, :3] - colour[:, 3:], colour[:, 3:]], 1)
    told = encoder(crop, fronts.camera)[0][:, 0]
    assert np.corrcoef(told, fronts.z[:, 0])[0, 1] > 0.9


def test_heads_and_generators_that_cannot_serve_are_refused(
    tmp_path: Path, generator: Heads
) -> None:
    config = small(tmp_path, generator, steps=1)
    with pytest.raises(HfinvError, match="holds no heads") as caught:
        train_encoder(tmp_path / "out", config, tmp_path / "nothing")
    assert "hfinv train generator" in caught.value.hint


def test_a_power_of_the_metric_is_one_of_its_eigenvalues() -> None:
    half = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    metric = half @ half.mT
    root = to_power(metric, 0.5)
    assert torch.allclose(root @ root, metric, atol=1e-4)
    assert torch.allclose(to_power(metric, 1.0), metric, atol=1e-4)
    assert torch.allclose(
        to_power(torch.diag(torch.tensor([4.0, 0.0])), 0.5), torch.diag(torch.tensor([2.0, 0.0]))
    )
