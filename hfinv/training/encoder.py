"""How the encoder is made: spoiled pictures of heads in, the heads' factors and cameras' errors out."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hfinv.camera import concatenate
from hfinv.device import in_half
from hfinv.encoders.asset import save_encoder
from hfinv.encoders.network import MOTION_UNIT, Encoder, EncoderCard
from hfinv.errors import HfinvError
from hfinv.generators import load_generator
from hfinv.generators.base import Card, Generator
from hfinv.image import written_aside
from hfinv.progress import Step, ignore
from hfinv.training.augment import AugmentConfig, augment
from hfinv.training.drawn import draw_heads
from hfinv.training.fronts import Fronts, read_fronts
from hfinv.training.metric import picture_metric


@dataclass(frozen=True)
class EncoderConfig:
    """Everything that shapes the encoder."""

    generator: str = "heads"
    """Generator that draws samples and says how much each factor shows."""
    drawn_heads: int = 2400
    """Heads that the generator draws."""
    drawn_views: int = 2
    """Pictures of each."""
    photographed_share: float = 0.5
    """Share of a batch that comes from the photographed heads; the others are drawn ones."""
    max_yaw_deg: float = 60.0
    """Views further to the side are left out, in degrees."""
    size: int = 128
    """Side of the pictures that the network reads, in pixels."""
    widths: tuple[int, ...] = (32, 64, 128, 192)
    """Channels after the stem and after each halving."""
    blocks: int = 2
    """Residual blocks at each size."""
    hidden: int = 384
    """Width of the last layer but one."""
    steps: int = 3000
    """Optimiser steps."""
    batch: int = 48
    """Pictures a step."""
    learning_rate: float = 2e-3
    """Peak step of AdamW."""
    weight_decay: float = 0.02
    """AdamW's."""
    average: float = 0.995
    """Decay of the averaged weights."""
    metric_heads: int = 4
    """Heads around which the factors' effect on the picture is measured."""
    metric_power: float = 0.5
    """Power of that effect in the loss. 1 is the picture's squared change as far as it is linear; but of hair twice as long a
    picture changes less than twice as much, and with 1 the network learns hair and sex, and no colours."""
    plain: float = 0.5
    """Weight of each factor's squared error, beside that of the picture's."""
    motion: float = 0.2
    """Weight of the squared error of the camera's motion, in units of 0.02."""
    half: bool = True
    """Run convolutions in bfloat16 on processors that have it: many times faster there."""
    save_every: int = 250
    """Steps between checkpoints."""
    keep: int = 2
    """Checkpoints kept."""
    seed: int = 0
    """Of everything drawn at random."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)


@dataclass
class State:
    """Everything a checkpoint holds."""

    network: Encoder
    average: Encoder
    optimiser: torch.optim.AdamW
    step: int = 0


@dataclass(frozen=True)
class Lessons:
    """What training reads: two kinds of pictures, and how much each factor shows in one."""

    photographed: Fronts
    drawn: Fronts
    metric: Tensor
    """[Z, Z], from `picture_metric`, to the power that the settings ask for."""
    card: Card
    """The generator's."""


def train_encoder(
    out: Path,
    config: EncoderConfig,
    data: Path | None = None,
    progress: Callable[[Step], None] = ignore,
) -> Path:
    """Draw the heads that are missing, train on from the newest checkpoint, export the averaged encoder.

    Args:
        out: directory of drawn heads, checkpoints, metrics and the exported `encoder.safetensors`.
        config: the settings.
        data: directory of photographed heads, as `hfinv train generator` makes it; `out / "heads"` if None.
        progress: called after each head and each step.

    Returns:
        The exported file.

    Raises:
        HfinvError: there are no photographed heads, or they have other factors than the generator.
    """
    generator = load_generator(config.generator)
    if not generator.card.factors:
        raise HfinvError(
            f"the generator `{config.generator}` has no labelled factors",
            "an encoder can be trained for a labelled generator only, such as `heads`",
        )
    out.mkdir(parents=True, exist_ok=True)

    # 1. What the generator draws, beside what was photographed.
    yaw = math.radians(config.max_yaw_deg)
    draw_heads(
        out / "drawn",
        generator,
        config.drawn_heads,
        config.drawn_views,
        config.seed,
        yaw,
        lambda done, of: progress(Step("heads", done, of, {})),
    )

    # 2. How much each factor shows.
    metric = stored_metric(generator, out / "metric.safetensors", config)
    lessons = Lessons(
        read_fronts(data or out / "heads", config.size, yaw, generator.card.factors),
        read_fronts(out / "drawn", config.size, yaw, generator.card.factors),
        to_power(metric, config.metric_power),
        generator.card,
    )

    # 3. Spoil, guess, compare.
    state = begin(config, generator.card)
    load_checkpoint(state, out)
    run(state, lessons, out, config, progress)
    return export(state, out / "encoder.safetensors", lessons, config)


def stored_metric(generator: Generator, path: Path, config: EncoderConfig) -> Tensor:
    """The generator's metric, measured once."""
    if not path.is_file():
        metric = picture_metric(generator, config.metric_heads, config.seed)
        save_file({"metric": metric}, path)
    return load_file(path)["metric"]


def to_power(metric: Tensor, power: float) -> Tensor:
    """A symmetric matrix without negative eigenvalues, [Z, Z], to a power that need not be whole."""
    values, vectors = torch.linalg.eigh(metric)
    return vectors * values.clamp(min=0) ** power @ vectors.mT


def begin(config: EncoderConfig, card: Card) -> State:
    """An encoder with fresh weights, from the seed."""
    about = EncoderCard(
        factors=tuple(factor.name for factor in card.factors),
        size=config.size,
        widths=config.widths,
        blocks=config.blocks,
        hidden=config.hidden,
        radius=card.radius,
        focal=card.focal,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = Encoder(about)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    return State(network, copy.deepcopy(network).requires_grad_(False), optimiser)


def run(
    state: State,
    lessons: Lessons,
    out: Path,
    config: EncoderConfig,
    progress: Callable[[Step], None] = ignore,
) -> None:
    """Train from `state.step` to the end, saving as it goes; a resumed run ends as the uninterrupted one.

    Args:
        state: changed in place.
        lessons: the pictures.
        out: where checkpoints and `metrics.jsonl` go.
        config: the schedule.
        progress: called after each step.
    """
    with open(out / "metrics.jsonl", "a") as log:
        while state.step < config.steps:
            terms = train_step(state, lessons, config)
            losses = {name: round(float(term.detach()), 5) for name, term in terms.items()}
            log.write(json.dumps({"step": state.step, **losses}) + "\n")
            progress(Step("encoder", state.step, config.steps, losses))
            if state.step % config.save_every == 0 or state.step == config.steps:
                log.flush()
                save_checkpoint(state, out, config.keep)


def train_step(state: State, lessons: Lessons, config: EncoderConfig) -> dict[str, Tensor]:
    """One step of AdamW; returns the loss by term."""
    rng = np.random.default_rng([config.seed, state.step])
    photographed = round(config.photographed_share * config.batch)
    parts = [
        lessons.photographed.batch(photographed, rng),
        lessons.drawn.batch(config.batch - photographed, rng),
    ]
    z = torch.cat([part.z for part in parts])
    colour = torch.cat([part.colour for part in parts])
    camera = concatenate([part.camera for part in parts])
    example = augment(colour, camera, lessons.card.pivot, config.augment, rng)
    time = state.step / config.steps
    for group in state.optimiser.param_groups:
        rise = min(1.0, (state.step + 1) / 50)
        group["lr"] = config.learning_rate * rise * (0.01 + 0.495 * (1 + math.cos(math.pi * time)))
    with in_half("cpu", config.half):
        guess, motion = state.network(example.crop, example.camera)
    terms = compare(guess, z, motion, example.motion, lessons.metric, config)
    state.optimiser.zero_grad(set_to_none=True)
    sum(terms.values()).backward()
    state.optimiser.step()
    state.step += 1
    blend(state.average, state.network, min(config.average, state.step / (state.step + 10)))
    return terms


def compare(
    guess: Tensor, z: Tensor, motion: Tensor, wanted: Tensor, metric: Tensor, config: EncoderConfig
) -> dict[str, Tensor]:
    """Weighted squared errors; each of the first two is its weight where the guess is 0.

    Args:
        guess, z: [B, Z].
        motion, wanted: [B, 6].
        metric: [Z, Z], e' metric e is how much an error e shows; see `EncoderConfig.metric_power`.
        config: weights.
    """
    error = guess - z
    picture = ((error @ metric) * error).sum(1).mean() / metric.trace()
    return {
        "picture": picture,
        "plain": config.plain * error.square().mean(),
        "motion": config.motion * ((motion - wanted) / MOTION_UNIT).square().mean(),
    }


@torch.no_grad()
def blend(average: Encoder, network: Encoder, decay: float) -> None:
    """Move the averaged weights towards the current ones."""
    for held, now in zip(average.parameters(), network.parameters()):
        held.lerp_(now, 1 - decay)
    for held, now in zip(average.buffers(), network.buffers()):
        held.copy_(now)


def export(state: State, path: Path, lessons: Lessons, config: EncoderConfig) -> Path:
    """Write the averaged encoder in half precision with its card."""
    encoder = copy.deepcopy(state.average)
    made = (
        f"{state.step} steps of {config.batch} pictures, {config.photographed_share:.0%} of them from "
        f"{lessons.photographed.heads} photographed heads, the others from {lessons.drawn.heads} that the "
        f"generator drew; seed {config.seed}"
    )
    encoder.card = replace(encoder.card, made=made)
    return save_encoder(encoder, path)


def save_checkpoint(state: State, out: Path, keep: int) -> None:
    """Write `checkpoint_STEP.safetensors` aside, rename it, and remove the oldest beyond `keep`."""
    tensors = {f"network.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in state.average.state_dict().items()}
    for index, moments in state.optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": v for k, v in moments.items()}
    path = out / f"checkpoint_{state.step:07d}.safetensors"
    with written_aside(path) as aside:
        save_file({k: v.contiguous() for k, v in tensors.items()}, aside, {"step": str(state.step)})
    for old in sorted(out.glob("checkpoint_*.safetensors"))[:-keep]:
        old.unlink()


def load_checkpoint(state: State, out: Path) -> bool:
    """Go on from the newest checkpoint in `out`; False if there is none.

    Raises:
        HfinvError: it belongs to an encoder of another size.
    """
    found = sorted(out.glob("checkpoint_*.safetensors"))
    if not found:
        return False
    part: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "adam": {}}
    for name, value in load_file(found[-1]).items():
        owner, _, rest = name.partition(".")
        part[owner][rest] = value
    try:
        state.network.load_state_dict(part["network"])
        state.average.load_state_dict(part["average"])
    except RuntimeError as error:
        raise HfinvError(
            f"`{found[-1]}` belongs to an encoder of another size or with other factors",
            "give another `--out`",
        ) from error
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in part["adam"].items():
        index, _, kind = name.partition(".")
        moments.setdefault(int(index), {})[kind] = value
    state.optimiser.load_state_dict({**state.optimiser.state_dict(), "state": moments})
    with safe_open(found[-1], "pt") as file:
        state.step = int(file.metadata()["step"])
    return True
