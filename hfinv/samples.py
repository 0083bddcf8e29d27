"""Heads that nobody asked for: samples of a generator's prior, by seed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hfinv.adapt import GIGABYTE
from hfinv.cost import WORTH_TELLING, measure
from hfinv.errors import UsageError
from hfinv.generators import load_generator
from hfinv.generators.base import Generator
from hfinv.image import contact_sheet, save_png
from hfinv.progress import Progress, Stage, Step, ignore
from hfinv.render import RenderConfig, orbit_cameras, save_video, still_camera, view
from hfinv.shots import Shots, guesses

MOST_SEEDS = 10_000
SHEET_COLUMNS = 6


@dataclass(frozen=True)
class Sample:
    """A head of a seed; what `hfinv.render` takes."""

    seed: int
    generator: Generator
    planes: Tensor
    """[1, P, C, h, w]."""
    w_plus: Tensor
    """[1, L, D]."""


def parse_seeds(text: str) -> list[int]:
    """Seeds as EG3D's scripts write them: numbers and ranges, such as 0-5,9; the order is kept.

    Raises:
        UsageError: anything else.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,10})(?:\s*-\s*(\d{1,10}))?\s*", part)
        if found is None:
            raise UsageError(f"`{text}` names no seeds", "write numbers and ranges, such as 0-5,9")
        first, last = int(found[1]), int(found[2] or found[1])
        if last >= 2**32 or len(seeds) + last - first >= MOST_SEEDS:
            raise UsageError(
                f"`{text}` names too many or too large seeds",
                f"at most {MOST_SEEDS} are drawn at once, each below 2^32",
            )
        seeds.extend(range(first, last + 1))
    if not seeds:
        raise UsageError(f"`{text}` names no seeds", "write a range from low to high, such as 0-5")
    return seeds


def latent_of(seed: int, width: int) -> Tensor:
    """[1, width], the z of a seed: numpy's RandomState, as in the official scripts."""
    return torch.from_numpy(np.random.RandomState(seed).randn(1, width)).float()


@torch.no_grad()
def draw(generator: Generator, seed: int, truncation: float = 1.0) -> Sample:
    """The head of a seed, conditioned on the frontal camera where the generator is on one.

    Args:
        generator: any.
        seed: of `latent_of`.
        truncation: 1 keeps the sample, 0 gives the mean head.
    """
    width = generator.card.arguments.get("z_dim") or len(generator.card.factors)
    device = next(generator.parameters()).device
    w_plus = generator.map(latent_of(seed, width).to(device), truncation)
    return Sample(seed, generator, generator.planes(w_plus), w_plus)


def opened(
    name_or_path: str, device: str, half: bool = False, max_memory: float | None = None
) -> Generator:
    """A generator, set up for pictures.

    Args:
        name_or_path: see `load_generator`.
        device: where to.
        half: super-resolution in half precision, on a GPU.
        max_memory: gigabytes that rays may take.

    Raises:
        UsageError: half precision where it cannot be had.
    """
    generator = load_generator(name_or_path, device)
    if half:
        if not (device.startswith("cuda") and hasattr(generator, "superresolution")):
            raise UsageError(
                "half precision is for official generators on a GPU", "leave `--half` out"
            )
        generator.superresolution.half = True
    if max_memory is not None and hasattr(generator, "memory"):
        generator.memory = int(max_memory * GIGABYTE)
    return generator


def warnings(
    generator: Generator,
    seeds: list[int],
    device: str,
    orbit: float | None = None,
    yaw: tuple[float, ...] = (),
) -> list[str]:
    """What to tell a person before the pictures are drawn: how long it takes, and which of them are guessed."""
    shots = Shots(orbit=orbit, yaw=yaw or (0.0,))
    told = list(guesses(shots, generator.card))
    cost = measure(generator.card) if device == "cpu" else None
    if cost is not None:
        each = RenderConfig().frames if orbit is not None else max(1, len(yaw))
        minutes = len(seeds) * each * cost.picture / 60
        if minutes >= WORTH_TELLING:
            told.append(f"on this processor that will take about {minutes:.0f} minutes")
    return told


def save_samples(
    generator: Generator,
    seeds: list[int],
    folder: Path,
    *,
    trunc: float = 1.0,
    orbit: float | None = None,
    yaw: tuple[float, ...] = (),
    size: int | None = None,
    background: str = "keep",
    progress: Progress = ignore,
) -> list[Path]:
    """Write `seed0000.png` for each seed and a sheet of all; films instead if an orbit is asked.

    Args:
        generator: any.
        seeds: which heads.
        folder: where to.
        trunc: see `draw`.
        orbit: degrees of a turntable; None for stills.
        yaw: degrees; the stills of a head stand side by side. The front if there are none.
        size: side of the pictures; the generator's own if None.
        background: "keep" what the generator draws behind the head, or "matte" for white.
        progress: hears of each head.

    Returns:
        The files written.
    """
    start = time.perf_counter()
    progress(Stage("samples", "begun"))
    config = RenderConfig(size=size, background=None if background == "keep" else 1.0)
    yaw = yaw or (0.0,)
    written: list[Path] = []
    pictures: list[np.ndarray] = []
    for done, seed in enumerate(seeds, start=1):
        sample = draw(generator, seed, trunc)
        if orbit is not None:
            cameras = orbit_cameras(generator, orbit, config)
            written += save_video(sample, cameras, folder / f"seed{seed:04d}.mp4", config)
        else:
            pictures.append(np.concatenate(list(_stills(sample, yaw, config)), 1))
            written.append(save_png(folder / f"seed{seed:04d}.png", pictures[-1]))
        progress(Step("samples", done, len(seeds)))
    if len(pictures) > 1:
        columns = max(1, SHEET_COLUMNS // len(yaw))
        sheet = contact_sheet(pictures, min(columns, len(pictures)), [f"{seed}" for seed in seeds])
        written.append(save_png(folder / "sheet.png", sheet))
    progress(Stage("samples", "made", time.perf_counter() - start))
    return written


def _stills(sample: Sample, yaw: tuple[float, ...], config: RenderConfig) -> Iterator[np.ndarray]:
    for degrees in yaw:
        camera = still_camera(sample.generator, degrees, config.pitch)
        yield view(sample, camera, config).pixels
