"""Training a toy generator on balls lowers its loss, resumes exactly, and never repeats itself differently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TOY

from hfinv.camera import concatenate, orbit
from hfinv.errors import HfinvError
from hfinv.perceptual import Perceptual
from hfinv.training import TrainConfig, begin, export
from hfinv.training.dataset import HeadFolder
from hfinv.training.discriminator import Discriminator, judge
from hfinv.training.factors import FACTORS
from hfinv.training.loop import LoopConfig, rate, run_loop
from hfinv.training.objective import ObjectiveConfig, picture_loss
from hfinv.training.report import read_metrics
from hfinv.training.state import State, load_checkpoint, save_checkpoint

OBJECTIVE = ObjectiveConfig(
    near_points=256,
    free_points=128,
    face=1.0,  # balls have none
    rays=64,
    ray_samples=(8, 4),
    guided_samples=(2, 4, 2),
)


def loop(
    points: int = 0, rays: int = 0, pictures: int = 0, adversarial: int = 0, **more: object
) -> LoopConfig:
    few = {"shape_steps": 0, "batch": 2, "picture_batch": 2, "save_every": 1000, "sheet_every": 0}
    return LoopConfig(points, rays, pictures, adversarial, half=False, **few | more)


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
    config = loop(2, 1, 1, 3)
    whole, _ = train(tmp_path / "whole", balls, config)
    first = begin(TrainConfig(network=TOY, loop=config))

    def stop_at_five(step: object) -> None:
        if step.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_loop(first, balls, tmp_path / "cut", config, OBJECTIVE, stop_at_five)
    save_checkpoint(first, tmp_path / "cut", keep=1)
    resumed, losses = train(tmp_path / "cut", balls, config)
    assert len(losses) == 2
    for name, module in whole.modules():
        again = dict(resumed.modules())[name].state_dict()
        for key, tensor in module.state_dict().items():
            assert torch.equal(tensor, again[key]), f"{name}.{key}"


@torch.no_grad()
def mistaken(discriminator: Discriminator, state: State, balls: HeadFolder) -> float:
    """What a discriminator's opinion costs it, of all the balls' views, drawn and real."""
    rng = torch.Generator().manual_seed(0)
    _, drawn = picture_loss(
        state.generator, Perceptual(), balls.batch([0, 1, 2, 3]), OBJECTIVE, rng
    )
    scores = discriminator(drawn.picture, drawn.raw, drawn.camera)
    real = discriminator(drawn.real, drawn.real_raw, drawn.camera)
    return float(sum(judge(scores, real).values()))


def test_the_discriminator_learns_and_moves_the_generator(
    balls: HeadFolder, tmp_path: Path
) -> None:
    config = loop(20, 0, 20, 12, learning_rate=8e-3)
    state, _ = train(tmp_path, balls, config)
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert len([r for r in records if "judge_drawn" in r]) == 12
    # Of the same pictures it knows more than when it was new; its losses are of a generator that learned too.
    fresh = begin(TrainConfig(network=TOY, loop=config)).extras["discriminator"][0]
    assert mistaken(state.extras["discriminator"][0], state, balls) < mistaken(fresh, state, balls)
    assert [r["step"] for r in records if "slope" in r] == [49]
    # The same steps without its opinion end elsewhere.
    plain, _ = train(tmp_path / "plain", balls, loop(20, 0, 32, learning_rate=8e-3))
    assert not torch.equal(plain.generator.shared, state.generator.shared)


def test_a_run_that_is_late_stops_with_a_checkpoint_and_goes_on(
    balls: HeadFolder, tmp_path: Path
) -> None:
    state, losses = train(tmp_path, balls, loop(50, minutes=1e-9))
    assert state.step == len(losses) == 1
    assert (tmp_path / "checkpoint_0000001.safetensors").is_file()
    state, _ = train(tmp_path, balls, loop(3))
    assert state.step == 3
    assert [r["step"] for r in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3]


def test_old_checkpoints_are_pruned(balls: HeadFolder, tmp_path: Path) -> None:
    config = loop(6, batch=1, save_every=2, keep=2)
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
