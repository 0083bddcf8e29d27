"""How good a generator of heads is, on heads that it was never trained on, beside the project's bars.

    python examples/generator_bars.py --generator training/heads.safetensors --heads 64 --out bars

Writes OUT/bars.json and OUT/heads_around.png (16 of the heads, 12 views each).
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch

from hfinv.camera import Camera, concatenate, look_at
from hfinv.generators import load_generator
from hfinv.generators.base import Generator
from hfinv.image import contact_sheet, save_png, to_bytes
from hfinv.losses import psnr
from hfinv.perceptual import Perceptual
from hfinv.training.dataset import Batch, DatasetConfig, HeadFolder, make_dataset

SEED = 987654321
"""Of the held-out heads; training uses small seeds."""
FRONT = math.radians(45)
"""Largest yaw of a view from the front."""
HEAD_HEIGHT = 0.524
"""World units from chin to crown of the mean head."""
BARS = {"psnr": (24.0, "dB"), "lpips": (0.12, ""), "iou": (0.95, ""), "distance": (1.5, "%")}
"""At least for psnr and iou, at most for the others."""


def arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """What both scripts of bars are told: the generator, how many heads, and where to."""
    parser.add_argument("--generator", default="heads", help="bundled name or file")
    parser.add_argument("--heads", type=int, default=64, help="held-out heads, 8 views each")
    parser.add_argument("--out", type=Path, default=Path("bars"))
    return parser.parse_args()


def held_out(out: Path, heads: int) -> HeadFolder:
    """The heads that nobody was trained on, made where they are missing."""
    make_dataset(out / "heads", DatasetConfig(heads, 8, distance_size=128, seed=SEED))
    return HeadFolder(out / "heads")


@torch.no_grad()
def measure(generator: Generator, batch: Batch, perceptual: Perceptual) -> dict[str, list[float]]:
    """The figures of one head, a number a view; `psnr` and `lpips` from the front only."""
    found: dict[str, list[float]] = {name: [] for name in BARS}
    w_plus = generator.map(batch.z[:, : len(generator.card.factors)])
    planes = generator.planes(w_plus)
    yaw, _ = batch.camera.angles()
    for view in range(len(yaw)):
        drawn = generator.render(planes, w_plus, batch.camera[view], background=0.0)
        image, alpha = batch.image[:, view], batch.alpha[:, view]
        if abs(yaw[view]) <= FRONT:
            found["psnr"].append(psnr(drawn.image, image, alpha))
            found["lpips"].append(perceptual(drawn.image, image).item())
        here, there = drawn.alpha > 0.5, alpha > 0.5
        found["iou"].append(((here & there).sum() / (here | there).sum()).item())
        # The dataset's map is twice as fine as the rays: the true ray is where its four entries meet.
        entries = batch.distance[:, view : view + 1].unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
        both = (entries > 0).all(-1) & (entries.amax(-1) - entries.amin(-1) < 0.02)
        both &= drawn.opacity > 0.9
        away = (drawn.distance - entries.mean(-1)).abs()[both].mean() / HEAD_HEIGHT
        found["distance"].append(100 * away.item())
    return found


@torch.no_grad()
def around(generator: Generator, z: torch.Tensor, views: int) -> np.ndarray:
    """A row of pictures of each z, from the front all around the head."""
    card = generator.card
    yaws = torch.arange(views) * (2 * math.pi / views)
    cameras: Camera = concatenate(
        [look_at(y, 0.1, card.radius, card.pivot, card.focal) for y in yaws]
    )
    pictures = []
    for one in z:
        w_plus = generator.map(one[None, : len(card.factors)])
        planes = generator.planes(w_plus)
        for view in range(views):
            pictures.append(to_bytes(generator.render(planes, w_plus, cameras[view]).image))
    return contact_sheet(pictures, views)


def main() -> None:
    given = arguments(argparse.ArgumentParser(description=__doc__.split("\n")[0]))
    folder, generator = held_out(given.out, given.heads), load_generator(given.generator)
    perceptual, total = Perceptual(), {name: [] for name in BARS}
    for index in range(given.heads):
        for name, values in measure(generator, folder.batch([index]), perceptual).items():
            total[name] += values
    report = {name: float(np.nanmean(values)) for name, values in total.items()}
    for name, (bar, unit) in BARS.items():
        good = report[name] >= bar if name in ("psnr", "iou") else report[name] <= bar
        print(f"{name:10}{report[name]:8.3f} {unit:3} bar {bar:<6} {'met' if good else 'missed'}")
    note = {"generator": str(given.generator), "heads": given.heads, "made": generator.card.made}
    (given.out / "bars.json").write_text(json.dumps({**note, **report}, indent=2) + "\n")
    z = torch.cat([folder.batch([index]).z for index in range(min(16, given.heads))])
    save_png(given.out / "heads_around.png", around(generator, z, 12))


if __name__ == "__main__":
    main()
