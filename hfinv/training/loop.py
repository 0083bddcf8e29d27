"""The training loop: lessons in order, averaged weights, checkpoints that a later run picks up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hfinv.device import in_half
from hfinv.errors import HfinvError
from hfinv.generators.heads import Heads
from hfinv.perceptual import Perceptual
from hfinv.progress import Step, ignore
from hfinv.training.dataset import Batch, Pictures
from hfinv.training.discriminator import deceive, judge, slope
from hfinv.training.factors import FACTORS
from hfinv.training.objective import Drawn, ObjectiveConfig, picture_loss, point_loss, ray_loss
from hfinv.training.report import Report
from hfinv.training.shapes import shape_loss, weights
from hfinv.training.state import State, save_checkpoint
from hfinv.training.traits import trait_loss, traits


@dataclass(frozen=True)
class LoopConfig:
    """How long, how fast, how often saved."""

    point_steps: int = 2000
    """Steps of lessons at points; of rays, where distances are not known."""
    ray_steps: int = 0
    """Steps of lessons along rays."""
    picture_steps: int = 8000
    """Steps of lessons of whole pictures."""
    adversarial_steps: int = 2000
    """Steps of those lessons with a discriminator's opinion added."""
    shape_steps: int = 1500
    """Steps of lessons before all these, on where things are on a head and what colours it has; they need no pictures, and
    only the parts of w learn that say so."""
    shape_batch: int = 64
    """Heads a step in those."""
    batch: int = 8
    """Heads a step."""
    picture_batch: int = 4
    """Heads a step in lessons of whole pictures."""
    picture_views: int = 1
    """Views a head in those; they share its planes."""
    learning_rate: float = 6e-3
    """Peak step of Adam."""
    shape_rate: float = 0.1
    """The same in lessons of shapes, whose network is small."""
    final_rate: float = 0.1
    """Share of the peak at the end."""
    judge_rate: float = 2e-3
    """Step of the discriminator's Adam."""
    code_rate: float = 2e-2
    """Step of the learnt codes' Adam, for pictures without labels."""
    average: float = 0.995
    """Decay of the averaged weights."""
    half: bool = True
    """Run convolutions in bfloat16 on processors and GPUs that have it: many times faster there."""
    workers: int = 2
    """Threads that load pictures ahead."""
    save_every: int = 250
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints kept."""
    sheet_every: int = 500
    """Steps between sheets of pictures of the same heads; 0 for none."""
    tensorboard: bool = False
    """Also write the losses for TensorBoard (extra `hfinv[tensorboard]`)."""
    minutes: float = 0.0
    """Stop with a checkpoint after so many minutes, to be resumed; 0 for no limit."""
    seed: int = 0
    """Of everything drawn at random."""

    @property
    def steps(self) -> int:
        """Steps in all."""
        first = self.shape_steps + self.point_steps + self.ray_steps
        return first + self.picture_steps + self.adversarial_steps


@dataclass(frozen=True)
class Draw:
    """What chance decides of one step."""

    heads: list[int]
    """B numbers."""
    batch: Batch | None
    """B heads, on the CPU; None in lessons of shapes."""
    seed: int
    """Of the step's other choices."""
    z: Tensor | None = None
    """[B, Z] of a lesson of shapes."""
    known: Tensor | None = None
    """[B, T + K], what `FactorMapping.known` should say of them: traits, and how their mesh is moved."""


def run_loop(
    state: State,
    folder: Pictures,
    out: Path,
    config: LoopConfig,
    objective: ObjectiveConfig,
    progress: Callable[[Step], None] = ignore,
) -> None:
    """Train from `state.step` to the end, saving as it goes.

    Every step draws its heads, points and rays from the seed and its own number, so a resumed run goes on as
    the uninterrupted one would have; on a GPU up to the order in which it adds. Heads that are added to the folder
    meanwhile join in at the next checkpoint.

    Args:
        state: changed in place; on its own device.
        folder: the heads.
        out: where checkpoints, `metrics.jsonl`, `curves.png` and sheets go.
        config: the schedule.
        objective: the lessons.
        progress: called after each step.

    Raises:
        HfinvError: a loss is no number any more.
    """
    pictures = config.picture_steps + config.adversarial_steps
    perceptual = Perceptual().to(state.device) if pictures else None
    with Report(out, state.step, config.minutes, config.tensorboard) as report:
        while state.step < config.steps:
            last = min(config.steps, (state.step // config.save_every + 1) * config.save_every)
            for draw in ahead(folder, range(state.step, last), config, objective):
                terms = train_step(state, draw, perceptual, config, objective)
                losses = report.losses(state.step, terms)
                progress(Step(lesson(state.step - 1, config), state.step, config.steps, losses))
                if config.sheet_every and state.step % config.sheet_every == 0:
                    report.sheet(state.average, state.step)
                if report.late:
                    break
            save_checkpoint(state, out, config.keep)
            report.curves()
            folder.refresh()  # heads may still be being made
            if report.late:
                break


def lesson(step: int, config: LoopConfig) -> str:
    """Which lesson a step gives."""
    for name in ("shape", "point", "ray", "picture"):
        step -= getattr(config, f"{name}_steps")
        if step < 0:
            return f"{name}s"
    return "adversarial"


def draw_step(folder: Pictures, step: int, config: LoopConfig, objective: ObjectiveConfig) -> Draw:
    """The heads and views of a step; depends on nothing but the seed and its number."""
    rng = np.random.default_rng([config.seed, step])
    seed = int(rng.integers(2**62))
    kind = lesson(step, config)
    if kind == "shapes":
        z = rng.standard_normal((config.shape_batch, len(FACTORS))).astype(np.float32)
        known = np.concatenate([traits(z), weights(z)], 1)
        return Draw([], None, seed, torch.from_numpy(z), torch.from_numpy(known))
    count = config.batch if kind in ("points", "rays") else config.picture_batch
    heads = rng.choice(len(folder), min(count, len(folder)), replace=False).tolist()
    views = {"points": None, "rays": objective.ray_views}.get(kind, config.picture_views)
    batch = folder.batch(heads, views, rng)
    return Draw(heads, batch, seed)


def ahead(
    folder: Pictures, steps: range, config: LoopConfig, objective: ObjectiveConfig
) -> Iterator[Draw]:
    """The draws of the steps in order, loaded while earlier ones are at work."""
    waiting: list[Future[Draw]] = []
    with ThreadPoolExecutor(max(config.workers, 1)) as pool:
        try:
            for step in steps:
                waiting.append(pool.submit(draw_step, folder, step, config, objective))
                if len(waiting) > config.workers:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def train_step(
    state: State,
    draw: Draw,
    perceptual: Perceptual | None,
    config: LoopConfig,
    objective: ObjectiveConfig,
) -> dict[str, Tensor]:
    """One step of Adam, of the discriminator's too if it takes part; returns the losses by term, detached.

    Raises:
        HfinvError: a loss is no number.
    """
    device = state.device
    rng = torch.Generator(device).manual_seed(draw.seed)
    kind = lesson(state.step, config)
    state.generator.mapping.teach_known(kind == "shapes")
    if kind == "shapes":
        return shape_step(state, draw.z.to(device), draw.known.to(device), config)
    batch = draw.batch.to(device)
    drawn = None
    with in_half(device, config.half):
        more: dict[str, Tensor] = {}
        if batch.z is None:
            codes = state.extras["codes"][0](torch.tensor(draw.heads, device=device))
            batch = replace(batch, z=codes)
            more["codes"] = objective.codes * codes.square().mean()
        # A guide needs distances; without one now and then, the field would be learned for guided rays only.
        plain = objective.plain_every and state.step % objective.plain_every == 0
        guided = batch.measured and not plain
        if kind == "points" and batch.measured:
            terms = point_loss(state.generator, batch, objective, rng)
        elif kind in ("points", "rays"):
            terms = ray_loss(state.generator, batch, objective, rng, guided)
        else:
            terms, drawn = picture_loss(state.generator, perceptual, batch, objective, rng, guided)
        if kind == "adversarial":
            judged = state.extras["discriminator"][0].requires_grad_(False)
            scores = judged(drawn.picture, drawn.raw, drawn.camera)
            more["deceive"] = objective.adversarial * deceive(scores)
    terms |= more
    update(state, terms, config)
    if kind == "adversarial":
        terms |= judge_step(state, drawn, config, objective)
    return stepped(state, terms, config)


def shape_step(state: State, z: Tensor, wanted: Tensor, config: LoopConfig) -> dict[str, Tensor]:
    """A lesson of shapes: the known parts of w, of heads [B, Z], and what they should be, [B, T + K]; all other networks
    stay as they are, and these do in all other lessons."""
    warp = state.generator.warp
    found, count = state.generator.mapping.known(z), len(warp.fields)
    terms = {
        "shape": shape_loss(warp, found[:, -count:], wanted[:, -count:]),
        "traits": trait_loss(found[:, :-count], wanted[:, :-count]),
    }
    update(state, terms, config)
    return stepped(state, terms, config)


def stepped(state: State, terms: dict[str, Tensor], config: LoopConfig) -> dict[str, Tensor]:
    """Count a step, and average its weights; returns the losses, detached."""
    state.step += 1
    blend(state.average, state.generator, min(config.average, state.step / (state.step + 10)))
    return {name: term.detach() for name, term in terms.items()}


def update(state: State, terms: dict[str, Tensor], config: LoopConfig) -> None:
    """One step of the generator, and of the codes if there are any.

    Raises:
        HfinvError: the losses' sum is no number.
    """
    loss = sum(terms.values())
    if not loss.isfinite():
        raise HfinvError(
            f"the loss is no number any more at step {state.step}",
            "go on from the last checkpoint with a smaller `--set loop.learning_rate`",
        )
    share = rate(state.step, config)
    shapes = state.step < config.shape_steps
    peaks = [(state.optimiser, config.shape_rate if shapes else config.learning_rate)]
    if "codes" in state.extras:
        peaks.append((state.extras["codes"][1], config.code_rate))
    for optimiser, peak in peaks:
        optimiser.zero_grad(set_to_none=True)
        for group in optimiser.param_groups:
            group["lr"] = peak * share
    loss.backward()
    for optimiser, _ in peaks:
        optimiser.step()


def judge_step(
    state: State, drawn: Drawn, config: LoopConfig, objective: ObjectiveConfig
) -> dict[str, Tensor]:
    """One step of the discriminator on the step's own pictures; its slope is measured now and then (lazy R1)."""
    discriminator, optimiser = state.extras["discriminator"]
    discriminator.requires_grad_(True)
    with in_half(state.device, config.half):
        scores = discriminator(drawn.picture.detach(), drawn.raw.detach(), drawn.camera)
        real = discriminator(drawn.real, drawn.real_raw, drawn.camera)
        terms = judge(scores, real)
    if state.step % objective.r1_every == 0:
        # In float32: a gradient's gradient through bfloat16 is rough, and oneDNN divides by zero in it.
        steepness = slope(discriminator, drawn.real, drawn.real_raw, drawn.camera)
        terms["slope"] = objective.r1_every * objective.r1 / 2 * steepness
    optimiser.zero_grad(set_to_none=True)
    sum(terms.values()).backward()
    optimiser.step()
    return terms


def rate(step: int, config: LoopConfig) -> float:
    """Share of the peak learning rate: a short rise, then a cosine down to `final_rate`; lessons of shapes have their own."""
    first = config.shape_steps
    begun, count = (0, first) if step < first else (first, config.steps - first)
    step, time = step - begun, (step - begun) / max(count, 1)
    down = config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * time))
    return min(1.0, (step + 1) / 50) * down


@torch.no_grad()
def blend(average: Heads, generator: Heads, decay: float) -> None:
    """Move the averaged weights towards the current ones."""
    for held, now in zip(average.parameters(), generator.parameters()):
        held.lerp_(now, 1 - decay)
