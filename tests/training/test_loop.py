"""Training a toy generator on balls lowers its loss, resumes exactly, and never repeats itself differently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TOY

from hfinv.camera import concatenate, orbit
from hfinv.errors import HfinvError
from hfinv.training import TrainConfig, begin, export
from hfinv.training.dataset import HeadFolder
from hfinv.training.factors import FACTORS
from hfinv.training.loop import LoopConfig, load_checkpoint, rate, run_loop
from hfinv.training.objective import ObjectiveConfig

OBJECTIVE = ObjectiveConfig(near_points=256, free_points=128, rays=64, ray_samples=(8, 4))


def loop(points: int = 0, rays: int = 0, pictures: int = 0, **more: object) -> LoopConfig:
    return LoopConfig(
        points, rays, pictures, batch=2, picture_batch=2, half=False, save_every=1000, **more
    )


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> HeadFolder:
    """Four grey balls whose radius follows the first factor."""
    folder = tmp_path_factory.mktemp("balls")
    for index in range(4):
        radius = 0.16 + 0.03 * index
        camera = orbit(4, pitch=0.2)
        distance = [ball_distance(camera, size, radius) for size in (32, 64)]
        colour = (distance[1] > 0)[..., None] * np.array([150, 150, 150, 255], np.uint8)
        z = np.zeros(len(FACTORS), np.float32)
        z[0] = index - 1.5
        np.savez(
            folder / f"head_{index:05d}.npz",
            z=z,
            label=camera.label(),
            colour=colour,
            distance=distance[0],
        )
    return HeadFolder(folder)


def ball_distance(camera: object, size: int, radius: float) -> np.ndarray:
    origins, directions = camera.rays(size)
    along = -(origins * directions).sum(-1)
    inside = along.square() - origins.square().sum(-1) + radius**2
    distance = torch.where(inside > 0, along - inside.clamp(min=0).sqrt(), 0)
    return distance.reshape(-1, size, size).numpy()


def train(out: Path, balls: HeadFolder, config: LoopConfig) -> tuple[object, list[float]]:
    state = begin(TrainConfig(network=TOY, loop=config))
    load_checkpoint(state, out)
    losses: list[float] = []
    run_loop(
        state, balls, out, config, OBJECTIVE, lambda step: losses.append(sum(step.losses.values()))
    )
    return state, losses


def test_points_teach_a_shape(balls: HeadFolder, tmp_path: Path) -> None:
    _, losses = train(tmp_path, balls, loop(60, learning_rate=5e-3))
    # Soft edges keep the loss above 0.5 even where every answer is right.
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])


@pytest.mark.parametrize("lesson", ["rays", "pictures"])
def test_later_lessons_go_on_lowering_their_loss(
    lesson: str, balls: HeadFolder, tmp_path: Path
) -> None:
    config = loop(80, **{lesson: 50}, learning_rate=8e-3)
    _, losses = train(tmp_path, balls, config)
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[80:84])


def test_a_resumed_run_ends_where_the_uninterrupted_one_does(
    balls: HeadFolder, tmp_path: Path
) -> None:
    whole, _ = train(tmp_path / "whole", balls, loop(4, 2, 2))
    first = begin(TrainConfig(network=TOY, loop=loop(4, 2, 2)))

    def stop_at_three(step: object) -> None:
        if step.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_loop(first, balls, tmp_path / "cut", loop(4, 2, 2, keep=1), OBJECTIVE, stop_at_three)
    from hfinv.training.loop import save_checkpoint

    save_checkpoint(first, tmp_path / "cut", keep=1)
    resumed, losses = train(tmp_path / "cut", balls, loop(4, 2, 2))
    assert len(losses) == 5
    for a, b in zip(whole.average.state_dict().values(), resumed.average.state_dict().values()):
        assert torch.equal(a, b)


def test_old_checkpoints_are_pruned(balls: HeadFolder, tmp_path: Path) -> None:
    config = LoopConfig(6, 0, 0, batch=1, half=False, save_every=2, keep=2)
    run_loop(begin(TrainConfig(network=TOY, loop=config)), balls, tmp_path, config, OBJECTIVE)
    assert [p.stem for p in sorted(tmp_path.glob("*.safetensors"))] == [
        "checkpoint_0000004",
        "checkpoint_0000006",
    ]


def test_the_learning_rate_rises_then_falls() -> None:
    config = loop(1000)
    assert rate(0, config) < rate(60, config) > rate(999, config)
    assert rate(999, config) == pytest.approx(config.final_rate, abs=0.01)


def test_the_exported_generator_draws_what_the_trained_one_drew(
    balls: HeadFolder, tmp_path: Path
) -> None:
    from hfinv.generators.checkpoint import load

    state, _ = train(tmp_path, balls, loop(10))
    generator = load(export(state, tmp_path / "heads.safetensors", "ten steps"))
    assert generator.card.made == "ten steps" and generator.card.factors == FACTORS
    camera = concatenate([orbit(1), orbit(1, start=1.0)])
    w_plus = generator.map(torch.zeros(1, len(FACTORS)))
    here = generator.render(generator.planes(w_plus), w_plus, camera).image
    there = state.average.render(state.average.planes(w_plus), w_plus, camera).image
    assert (here - there).abs().max() < 0.05
    assert generator.latent_scale().min() > 0


def test_an_empty_folder_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(HfinvError, match="holds no heads") as caught:
        HeadFolder(tmp_path)
    assert "hfinv train generator" in caught.value.hint
