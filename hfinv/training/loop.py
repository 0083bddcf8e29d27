"""The training loop: lessons in order, averaged weights, checkpoints that a later run picks up."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hfinv.generators.heads import Heads
from hfinv.perceptual import Perceptual
from hfinv.progress import Step, ignore
from hfinv.training.dataset import HeadFolder
from hfinv.training.objective import ObjectiveConfig, picture_loss, point_loss, ray_loss


@dataclass(frozen=True)
class LoopConfig:
    """How long, how fast, how often saved."""

    point_steps: int = 3000
    """Steps of lessons at points."""
    ray_steps: int = 2000
    """Steps of lessons along rays."""
    picture_steps: int = 2000
    """Steps of lessons of whole pictures."""
    batch: int = 8
    """Heads a step."""
    picture_batch: int = 4
    """Heads a step in lessons of whole pictures."""
    learning_rate: float = 6e-3
    """Peak step of Adam."""
    final_rate: float = 0.1
    """Share of the peak at the end."""
    average: float = 0.995
    """Decay of the averaged weights."""
    half: bool = True
    """Run convolutions in bfloat16: many times faster on processors and GPUs that have it."""
    save_every: int = 250
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints kept."""
    seed: int = 0
    """Of everything drawn at random."""

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.point_steps + self.ray_steps + self.picture_steps


@dataclass
class State:
    """Everything a checkpoint holds."""

    generator: Heads
    average: Heads
    optimiser: torch.optim.Adam
    step: int = 0


def run_loop(
    state: State,
    folder: HeadFolder,
    out: Path,
    config: LoopConfig,
    objective: ObjectiveConfig,
    progress: Callable[[Step], None] = ignore,
) -> None:
    """Train from `state.step` to the end, saving as it goes.

    Every step draws its heads, points and rays from the seed and its own number, so a resumed run goes on as
    the uninterrupted one would have.

    Args:
        state: changed in place.
        folder: the heads.
        out: where checkpoints and `metrics.jsonl` go.
        config: the schedule.
        objective: the lessons.
        progress: called after each step.
    """
    perceptual = Perceptual() if config.picture_steps else None
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "metrics.jsonl", "a") as log:
        while state.step < config.steps:
            terms = train_step(state, folder, perceptual, config, objective)
            losses = {name: round(float(term.detach()), 5) for name, term in terms.items()}
            log.write(json.dumps({"step": state.step, **losses}) + "\n")
            progress(Step(lesson(state.step - 1, config), state.step, config.steps, losses))
            if state.step % config.save_every == 0 or state.step == config.steps:
                log.flush()
                save_checkpoint(state, out, config.keep)


def lesson(step: int, config: LoopConfig) -> str:
    """Which lesson a step gives."""
    if step < config.point_steps:
        return "points"
    return "rays" if step < config.point_steps + config.ray_steps else "pictures"


def train_step(
    state: State,
    folder: HeadFolder,
    perceptual: Perceptual | None,
    config: LoopConfig,
    objective: ObjectiveConfig,
) -> dict[str, Tensor]:
    """One step of Adam; returns the loss by term."""
    rng = np.random.default_rng([config.seed, state.step])
    torch_rng = torch.Generator().manual_seed(int(rng.integers(2**62)))
    kind = lesson(state.step, config)
    count = config.picture_batch if kind == "pictures" else config.batch
    heads = rng.choice(len(folder), min(count, len(folder)), replace=False).tolist()
    views = {"points": None, "rays": objective.ray_views, "pictures": 1}[kind]
    batch = folder.batch(heads, views, rng)
    for group in state.optimiser.param_groups:
        group["lr"] = config.learning_rate * rate(state.step, config)
    with torch.autocast("cpu", torch.bfloat16, enabled=config.half):
        if kind == "points":
            terms = point_loss(state.generator, batch, objective, torch_rng)
        elif kind == "rays":
            terms = ray_loss(state.generator, batch, objective, torch_rng)
        else:
            terms = picture_loss(state.generator, perceptual, batch, objective, torch_rng)
    state.optimiser.zero_grad(set_to_none=True)
    sum(terms.values()).backward()
    state.optimiser.step()
    state.step += 1
    blend(state.average, state.generator, min(config.average, state.step / (state.step + 10)))
    return terms


def rate(step: int, config: LoopConfig) -> float:
    """Share of the peak learning rate: a short rise, then a cosine down to `final_rate`."""
    time = step / max(config.steps, 1)
    down = config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * time))
    return min(1.0, (step + 1) / 50) * down


@torch.no_grad()
def blend(average: Heads, generator: Heads, decay: float) -> None:
    """Move the averaged weights towards the current ones."""
    for held, now in zip(average.parameters(), generator.parameters()):
        held.lerp_(now, 1 - decay)


def save_checkpoint(state: State, out: Path, keep: int) -> None:
    """Write `checkpoint_STEP.safetensors` aside, rename it, and remove the oldest beyond `keep`."""
    tensors = {f"generator.{k}": v for k, v in state.generator.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    names = [name for name, _ in state.generator.named_parameters()]
    for index, moments in state.optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{names[index]}.{k}": v for k, v in moments.items()}
    path = out / f"checkpoint_{state.step:07d}.safetensors"
    aside = path.with_suffix(".part")
    save_file({k: v.contiguous() for k, v in tensors.items()}, aside, {"step": str(state.step)})
    aside.replace(path)
    for old in sorted(out.glob("checkpoint_*.safetensors"))[:-keep]:
        old.unlink()


def load_checkpoint(state: State, out: Path) -> bool:
    """Go on from the newest checkpoint in `out`; False if there is none."""
    found = sorted(out.glob("checkpoint_*.safetensors"))
    if not found:
        return False
    tensors = load_file(found[-1])
    with safe_open(found[-1], "pt") as file:
        state.step = int(file.metadata()["step"])
    part = {"generator": {}, "average": {}, "adam": {}}
    for name, value in tensors.items():
        owner, _, rest = name.partition(".")
        part[owner][rest] = value
    state.generator.load_state_dict(part["generator"])
    state.average.load_state_dict(part["average"])
    moments: dict[int, dict[str, Tensor]] = {}
    for index, (name, _) in enumerate(state.generator.named_parameters()):
        mine = {
            k: part["adam"][f"{name}.{k}"]
            for k in ("step", "exp_avg", "exp_avg_sq")
            if f"{name}.{k}" in part["adam"]
        }
        if mine:
            moments[index] = mine
    state.optimiser.load_state_dict({**state.optimiser.state_dict(), "state": moments})
    return True
