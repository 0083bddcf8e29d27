"""A direction for an attribute that a generator has no label for.

    space      the latents, in units of their own spread
    scorers    how much of the attribute a sample shows       or   photos   two folders, inverted quickly
    boundary   extremes, 70/30, a linear support vector machine
    calibrate  so that 1.0 is one standard deviation of the attribute

HFGI3D (Xie et al., CVPR 2023, section 4 there) draws 500 000 samples and keeps 10 000 at either end; on a GPU so do we.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hfinv.directions.boundary import Boundary, extremes, separate
from hfinv.directions.photos import latents_of
from hfinv.directions.scorers import SCORERS, scores
from hfinv.directions.space import space_of
from hfinv.generators import locate
from hfinv.generators.base import Generator
from hfinv.generators.checkpoint import file_hash, load
from hfinv.generators.draws import latents
from hfinv.generators.trained import Trained, folder_for, save
from hfinv.image import contact_sheet, save_png, to_bytes
from hfinv.progress import Step, ignore
from hfinv.render import still_camera

__all__ = ["COUNTS", "Direction", "Wanted", "direction_from", "train_direction"]

COUNTS = {"cuda": (500_000, 10_000), "cpu": (2_000, 200)}
"""Samples drawn, and kept at either end; the first are HFGI3D's."""
TOGETHER = {"cuda": 32, "cpu": 4}
"""Samples drawn at once."""
MOVED = 16
"""Heads on which a direction is calibrated."""
SLOPES = (0.25, 4.0)
"""A direction is stretched or shrunk by at most the inverse of these."""
CHEAP = ("smile", "mouth-open", "eyes-open", "brightness")
"""Scores that come along where landmarks are sought anyway."""
SHOWN = (-2.0, 0.0, 2.0)
"""Amounts in the sheet."""
SHOWN_HEADS = 3
"""Rows of the sheet."""


@dataclass(frozen=True)
class Wanted:
    """What to train."""

    name: str
    """Of the direction."""
    scorer: str | None = None
    """A key of `SCORERS`; None takes photos."""
    positive: Path | None = None
    """Folder of photos that show the attribute."""
    negative: Path | None = None
    """Folder of photos that do not."""
    samples: int | None = None
    """Samples to score; by the device if None, see `COUNTS`."""
    keep: int | None = None
    """Samples to keep at either end; likewise."""


@dataclass(frozen=True)
class Direction:
    """A trained direction, not yet in a file."""

    vector: Tensor
    """[D], for one standard deviation of the attribute."""
    normal: Tensor
    """[D], see `Trained`."""
    report: dict[str, Any]
    """Plain values: accuracy, held_out, kept, correlations, slope."""
    warnings: list[str]


def train_direction(
    generator: str | Path,
    wanted: Wanted,
    out: Path | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[Step], None] = ignore,
) -> tuple[Path, Trained, list[str]]:
    """Train a direction and write it where edits of that generator's heads find it.

    Args:
        generator: a bundled generator's name, or a file.
        wanted: what to train.
        out: folder; see `trained.folder_for` if None.
        device: cpu, cuda or cuda:n.
        seed: of samples and splits.
        progress: called as the work goes on.

    Returns:
        The file, what is in it, and sentences to warn with.

    Raises:
        HfinvError: what went wrong, in a sentence.
    """
    weights = locate(generator)
    digest = file_hash(weights)
    made = load(weights).to(device)
    found = direction_from(made, wanted, seed, progress)
    name = wanted.name
    if name in {factor.name for factor in made.card.factors}:
        name = f"{name}_trained"  # the labelled one keeps its name
    of = f"scorer {wanted.scorer}" if wanted.scorer else "two folders of photos"
    meaning = f"trained by {of}, accuracy {found.report['accuracy']:.2f}"
    trained = Trained(name, meaning, digest, found.vector, found.normal, found.report)
    folder = out or folder_for(weights, digest)
    path = save(trained, folder)
    save_png(path.with_suffix(".png"), sheet(made, found.vector))
    return path, trained, found.warnings


def direction_from(
    generator: Generator,
    wanted: Wanted,
    seed: int = 0,
    progress: Callable[[Step], None] = ignore,
) -> Direction:
    """Train a direction.

    Args:
        generator: any.
        wanted: what to train.
        seed: of samples and splits.
        progress: called as the work goes on.
    """
    # 1. The latents' own spread.
    space = space_of(generator)

    # 2. Heads with much and with little of the attribute, and a boundary between them.
    warnings: list[str] = []
    scored: dict[str, np.ndarray] = {}
    w = torch.zeros(0, generator.card.w_dim)
    if wanted.scorer is None:
        sides = [
            latents_of(generator, p, seed, progress) for p in (wanted.negative, wanted.positive)
        ]
        low, high = (space.inside(side) for side, _ in sides)
        warnings += [line for _, lines in sides for line in lines]
    else:
        samples, keep = counts(generator, wanted)
        _, w = latents(generator, samples, torch.Generator().manual_seed(seed + 1))
        scored = scored_samples(generator, w, wanted.scorer, progress)
        few, many = extremes(scored[wanted.scorer], keep)
        low, high = space.inside(w[few]), space.inside(w[many])
    boundary = separate(low.double().numpy(), high.double().numpy(), seed)

    # 3. What one unit across the boundary does, and how much of the attribute that is.
    unit = torch.from_numpy(boundary.unit).float()
    vector, normal, slope = space.direction(unit), space.normal(unit), None
    if wanted.scorer is not None:
        slope = slope_of(generator, w[:MOVED], vector, wanted.scorer, scored[wanted.scorer])
        vector = vector / float(np.clip(slope, *SLOPES))
        if not SLOPES[0] <= slope <= SLOPES[1]:
            warnings.append(
                f"one step along the direction changes the score by {slope:.2f} standard deviations:"
                " it may not be what it is called"
            )
    report = facts(wanted, boundary, len(low), len(high), slope)
    report["correlations"] = correlations(generator, normal, w, scored, wanted.scorer)
    return Direction(vector, normal, report, warnings)


def counts(generator: Generator, wanted: Wanted) -> tuple[int, int]:
    """Samples, and how many to keep at either end."""
    samples, keep = COUNTS.get(generator.mean_latent().device.type, COUNTS["cpu"])
    if wanted.samples is not None:  # the same share
        samples, keep = wanted.samples, max(1, round(wanted.samples * keep / samples))
    return samples, min(wanted.keep or keep, samples // 2)


def scored_samples(
    generator: Generator, w: Tensor, scorer: str, progress: Callable[[Step], None]
) -> dict[str, np.ndarray]:
    """Scores of latents [N, D], by name: the one that is wanted, and what comes along."""
    device = generator.mean_latent().device
    names = (scorer,)
    if SCORERS[scorer].landmarks is not None:
        names += tuple(name for name in CHEAP if name != scorer)
    parts, done = [], 0
    for some in w.split(TOGETHER.get(device.type, 1)):
        parts.append(scores(generator, some.to(device), names))
        done += len(some)
        progress(Step("samples", done, len(w)))
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def slope_of(
    generator: Generator, w: Tensor, vector: Tensor, scorer: str, over_prior: np.ndarray
) -> float:
    """How many standard deviations of the score over the prior one step along a direction changes it.

    Args:
        generator: any.
        w: [N, D], heads to move.
        vector: [D].
        scorer: a key of `SCORERS`.
        over_prior: [M], scores of samples.
    """
    device = generator.mean_latent().device
    ends = [
        np.concatenate(
            [
                scores(generator, (some + sign * vector).to(device), (scorer,))[scorer]
                for some in w.split(TOGETHER.get(device.type, 1))
            ]
        )
        for sign in (-1, 1)
    ]
    return float(np.nanmean(ends[1] - ends[0]) / 2 / np.nanstd(over_prior))


def correlations(
    generator: Generator,
    normal: Tensor,
    w: Tensor,
    scored: dict[str, np.ndarray],
    own: str | None,
) -> dict[str, float]:
    """Of the direction's read-out over the prior with labelled factors and with the other scores, strongest first."""
    z, drawn = latents(generator, 8192, torch.Generator().manual_seed(1))
    read = (drawn @ normal).double().numpy()
    found = {
        factor.name: float(np.corrcoef(read, z[:, index].double().numpy())[0, 1])
        for index, factor in enumerate(generator.card.factors)
    }
    for name, score in scored.items():
        there = np.isfinite(score)
        if there.sum() > 2 and score[there].std() > 0:
            measured = (w[torch.from_numpy(there)] @ normal).double().numpy()
            label = f"score {name}" + (" (its own)" if name == own else "")
            found[label] = float(np.corrcoef(measured, score[there])[0, 1])
    return dict(sorted(found.items(), key=lambda item: -abs(item[1])))


def facts(
    wanted: Wanted, boundary: Boundary, low: int, high: int, slope: float | None
) -> dict[str, Any]:
    """What is known of a boundary, as plain values."""
    return {
        "scorer": wanted.scorer,
        "kept": [low, high],
        "accuracy": boundary.accuracy,
        "held_out": boundary.held_out,
        "penalty": boundary.penalty,
        "slope": slope,
    }


@torch.no_grad()
def sheet(generator: Generator, vector: Tensor) -> np.ndarray:
    """Some heads, a row each, with less and more of a direction; uint8 [H, W, 3]."""
    _, w = latents(generator, SHOWN_HEADS, torch.Generator().manual_seed(1))
    pictures = []
    for head in w:
        for amount in SHOWN:
            moved = (head + amount * vector).to(generator.mean_latent())
            w_plus = moved.expand(1, generator.card.num_ws, -1)
            camera = still_camera(generator).to(moved.device)
            drawn = generator.render(generator.planes(w_plus), w_plus, camera)
            pictures.append(to_bytes(drawn.image))
    return contact_sheet(pictures, len(SHOWN), [f"{amount:+g}" for amount in SHOWN] * len(w))
