"""Contact sheets: the truth above what each recipe made of it, view by view."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hfinv.bench.measure import FOLDER
from hfinv.bench.protocol import INPUT, PHOTO_YAWS, angles_between
from hfinv.bench.truth import TrueHead
from hfinv.image import contact_sheet, read, resize, save_png, to_bytes, to_tensor

CELL = 160
"""Side of a picture, in pixels."""


def draw_sheet(path: Path, photo: Path, truth: TrueHead | None, runs: Mapping[str, Path]) -> Path:
    """Write one head's sheet: a column a view, from left to right; a row for the truth, or the photo, then each recipe.

    Args:
        path: of the PNG.
        photo: what the recipes were given.
        truth: the head, if it is known.
        runs: recipe -> measured run.
    """
    names = _order(truth)
    true_files = {view.name: view.image for view in truth.views} if truth else {INPUT: photo}
    rows = {"truth" if truth else "photo": true_files}
    for recipe, run in runs.items():
        rows[recipe] = {name: run / FOLDER / f"{name}.png" for name in names}
    images, labels = [], []
    for row, files in rows.items():
        for column, name in enumerate(names):
            there = name in files and files[name].is_file()
            images.append(_small(files[name]) if there else _blank())
            # Views are named in the first row alone, so that a recipe's name has room below its own.
            first = files is true_files
            labels.append(f"{row} {name}" if first else "" if column else row)
    return save_png(path, contact_sheet(images, len(names), labels))


def _order(truth: TrueHead | None) -> list[str]:
    """The input, then by yaw."""
    if truth is None:
        return [INPUT, *(f"yaw{yaw:+d}" for yaw in PHOTO_YAWS)]
    source = truth.input.camera
    others = sorted(truth.views[1:], key=lambda view: angles_between(view.camera, source))
    return [INPUT, *(view.name for view in others)]


def _small(path: Path) -> np.ndarray:
    pixels = read(path)
    height, width = pixels.shape[:2]
    side = min(height, width)  # of a photo, its middle
    top, left = (height - side) // 2, (width - side) // 2
    return to_bytes(resize(to_tensor(pixels[top : top + side, left : left + side]), CELL))


def _blank() -> np.ndarray:
    return np.full((CELL, CELL, 3), 255, np.uint8)
