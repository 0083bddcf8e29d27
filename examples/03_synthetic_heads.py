"""Two contact sheets of synthetic heads: 48 different ones, and six from twelve sides.

    python examples/03_synthetic_heads.py docs/heads.jpg docs/heads_around.jpg

These heads are what the bundled generator learns from: factors drawn from N(0, 1), built, lit and photographed on
the CPU. Takes about a minute and a half.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from hfinv.camera import look_at
from hfinv.training.factors import FACTORS
from hfinv.training.heads import HeadMesh, build_head
from hfinv.training.scene import Scene, photograph

BACKDROP = np.array([172.0, 176.0, 180.0])
"""Grey behind the heads."""


def shot(head: HeadMesh, scene: Scene, yaw: float, size: int) -> np.ndarray:
    """[size, size, 3] uint8: the head from `yaw` radians, a little from above."""
    view = photograph(scene, head.colours, look_at(yaw, 0.06), size, distance_size=16)
    colour = view.colour.astype(np.float64)
    return (colour[..., :3] + (1 - colour[..., 3:] / 255) * BACKDROP).round().astype(np.uint8)


def sheet(seeds: list[int], yaws: list[list[float]], columns: int, size: int) -> Image.Image:
    """Heads of `seeds`, each from its own list of yaws, row by row."""
    tiles = []
    for seed, angles in zip(seeds, yaws):
        head = build_head(np.random.default_rng([2024, seed]).standard_normal(len(FACTORS)))
        scene = Scene(head.vertices, head.faces)
        tiles += [shot(head, scene, yaw, size) for yaw in angles]
    rows = [np.concatenate(tiles[k : k + columns], 1) for k in range(0, len(tiles), columns)]
    return Image.fromarray(np.concatenate(rows))


def main(many: Path, around: Path) -> None:
    """Write both sheets."""
    turns = [[0.45 * math.sin(2.4 * k)] for k in range(48)]
    sheet(list(range(48)), turns, 8, 224).save(many, quality=86)
    circle = [2 * math.pi * k / 12 for k in range(12)]
    sheet(list(range(100, 106)), [circle] * 6, 12, 176).save(around, quality=86)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
