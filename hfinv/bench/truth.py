"""True heads on disk: `cameras.json` and the pictures, masks and depths that it names.

    {"heads": [{"name": "head00", "views": {
        "input":  {"image": "head00/input.png", "mask": "head00/input_mask.png",
                   "depth": "head00/input_depth.npz", "label": [25 numbers]},
        "yaw+30": {...}}}]}

`depth` in the npz is camera z, 0 where nothing is; masks are 8-bit, 255 on the head. This file is the only place where a
z-depth occurs: what is read becomes a distance along the ray at once.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from hfinv.bench.protocol import INPUT
from hfinv.camera import Camera, from_label
from hfinv.errors import HfinvError, UsageError
from hfinv.image import read, to_tensor

CAMERAS = "cameras.json"
FILES = ("image", "mask", "depth")
LABEL = 25
LAYOUT = "`hfinv bench --help` shows the layout of a data directory"
ROTATION_TOLERANCE = 1e-2


@dataclass(frozen=True)
class TrueView:
    """Where one view's files are, and its camera."""

    name: str
    image: Path
    mask: Path
    depth: Path
    label: tuple[float, ...]
    """25 numbers."""

    @property
    def camera(self) -> Camera:
        return from_label(torch.tensor(self.label))


@dataclass(frozen=True)
class TrueHead:
    """One head of a data directory."""

    name: str
    views: tuple[TrueView, ...]
    """The first is the input."""

    @property
    def input(self) -> TrueView:
        return self.views[0]

    def fingerprint(self) -> str:
        """Changes with any byte of any view."""
        found = hashlib.sha256(self.name.encode())
        for view in self.views:
            found.update(json.dumps([view.name, view.label]).encode())
            for path in (view.image, view.mask, view.depth):
                found.update(hashlib.sha256(path.read_bytes()).digest())
        return found.hexdigest()


@dataclass(frozen=True)
class Seen:
    """What one view shows."""

    image: Tensor
    """[1, 3, H, H] in [-1, 1]."""
    foreground: Tensor
    """[1, 1, H, H] in [0, 1], 1 on the head."""
    distance: Tensor
    """[1, 1, h, h], along the unit ray, world units; 0 where nothing is."""
    camera: Camera


def read_heads(folder: Path) -> tuple[TrueHead, ...]:
    """The heads of a data directory, each file looked at.

    Raises:
        UsageError: something is missing or does not fit; one sentence says what and where.
        PhotoError: a picture cannot be read.
    """
    content = _parsed(folder / CAMERAS)
    entries = content.get("heads") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"`{folder / CAMERAS}` has no list `heads`", LAYOUT)
    heads = tuple(_head(entry, index, folder) for index, entry in enumerate(entries))
    names = [head.name for head in heads]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"`{folder / CAMERAS}` has two heads named `{name}`", "rename one")
    for head in heads:
        for view in head.views:
            look(view)
    return heads


def look(view: TrueView) -> Seen:
    """Read one view.

    Raises:
        UsageError: a file is missing or does not fit the others.
        PhotoError: the picture cannot be read.
    """
    for path in (view.image, view.mask, view.depth):
        if not path.is_file():
            raise UsageError(f"`{path}` is missing", f"`{CAMERAS}` names it for `{view.name}`")
    pixels = read(view.image)
    height, width = pixels.shape[:2]
    if height != width:
        raise UsageError(f"`{view.image}` is {width} x {height}, not square", LAYOUT)
    mask = _mask(view.mask)
    if mask.shape != (height, width):
        raise UsageError(
            f"`{view.mask}` is {mask.shape[1]} x {mask.shape[0]}, but its picture is {width} x {height}",
            "give a mask of the picture's size",
        )
    depth = torch.from_numpy(_depth(view.depth))[None, None]
    return Seen(
        to_tensor(pixels),
        torch.from_numpy(mask)[None, None],
        distance_of(depth, view.camera),
        view.camera,
    )


def distance_of(depth: Tensor, camera: Camera) -> Tensor:
    """Distance along the unit ray from camera z.

    Args:
        depth: [1, 1, h, h], camera z; 0 stays 0.
        camera: one camera.
    """
    size = depth.shape[-1]
    _, directions = camera.rays(size)
    cosine = directions[0] @ camera.cam2world[0, :3, 2]  # forward
    return depth / cosine.reshape(1, 1, size, size)


def depth_of(distance: np.ndarray, camera: Camera) -> np.ndarray:
    """Camera z [h, h] from distances [h, h] along the unit ray; 0 stays 0."""
    size = distance.shape[-1]
    _, directions = camera.rays(size)
    cosine = (directions[0] @ camera.cam2world[0, :3, 2]).reshape(size, size)
    return (distance * cosine.numpy()).astype(np.float32)


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"there is no `{path}`", LAYOUT) from error
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read ({error.strerror})", "check the path") from error
    except ValueError as error:
        raise UsageError(f"`{path}` is not JSON", LAYOUT) from error


def _head(entry: Any, index: int, folder: Path) -> TrueHead:
    where = f"head {index} of `{folder / CAMERAS}`"
    name = _entry(entry, "name", where)
    views = _entry(entry, "views", where)
    if not isinstance(name, str) or not _plain(name):
        raise UsageError(f"{where} has the name `{name}`, which cannot name a folder", LAYOUT)
    if not isinstance(views, dict) or INPUT not in views:
        raise UsageError(f"head `{name}` of `{folder / CAMERAS}` has no view `{INPUT}`", LAYOUT)
    names = [INPUT, *(view for view in views if view != INPUT)]
    return TrueHead(name, tuple(_view(views[view], view, name, folder) for view in names))


def _view(entry: Any, name: str, head: str, folder: Path) -> TrueView:
    where = f"view `{name}` of head `{head}` in `{folder / CAMERAS}`"
    if not _plain(name):
        raise UsageError(f"{where} has a name that cannot name a picture", LAYOUT)
    files = [_entry(entry, key, where) for key in FILES]
    for key, file in zip(FILES, files):
        if not isinstance(file, str):
            raise UsageError(f"`{key}` of {where} is no path", LAYOUT)
    label = _entry(entry, "label", where)
    if not isinstance(label, list) or not all(type(n) in (int, float) for n in label):
        raise UsageError(f"the label of {where} is not a list of numbers", LAYOUT)
    if len(label) != LABEL:
        raise UsageError(f"the label of {where} has {len(label)} numbers, not {LABEL}", LAYOUT)
    _check_camera(label, where)
    return TrueView(name, *(folder / file for file in files), tuple(map(float, label)))


def _check_camera(label: list[float], where: str) -> None:
    camera = from_label(torch.tensor(label, dtype=torch.float64))
    turn = camera.cam2world[0, :3, :3]
    rigid = torch.allclose(turn @ turn.mT, torch.eye(3), atol=ROTATION_TOLERANCE)
    if not torch.isfinite(camera.label()).all() or not rigid or torch.det(turn) <= 0:
        raise UsageError(
            f"the label of {where} is no camera: its rotation does not turn",
            "a label is cam2world, then intrinsics, row by row, in OpenCV's axes",
        )


def _plain(name: str) -> bool:
    return bool(name.strip()) and not name.startswith(".") and not set(name) & set("/\\\0")


def _entry(entry: Any, key: str, where: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise UsageError(f"{where} has no `{key}`", LAYOUT)
    return entry[key]


def _mask(path: Path) -> np.ndarray:
    """float32 [H, W] in [0, 1]."""
    try:
        with Image.open(path) as opened:
            return np.asarray(opened.convert("L"), np.float32) / 255
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise UsageError(f"`{path}` is no picture", "give an 8-bit mask, such as a PNG") from error


def _depth(path: Path) -> np.ndarray:
    """float32 [h, h]."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if "depth" not in stored:
                raise UsageError(f"`{path}` has no array `depth`", LAYOUT)
            depth = np.asarray(stored["depth"], np.float32)
    except HfinvError:
        raise
    except (OSError, ValueError, TypeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise UsageError(f"`{path}` is no npz file of numbers", LAYOUT) from error
    if depth.ndim != 2 or depth.shape[0] != depth.shape[1] or not depth.size:
        raise UsageError(f"`depth` in `{path}` is {list(depth.shape)}, not square", LAYOUT)
    if not np.isfinite(depth).all():
        raise UsageError(
            f"`depth` in `{path}` holds numbers that are not finite", "write 0 where nothing is"
        )
    if depth.min() < 0:
        raise UsageError(f"`depth` in `{path}` holds negative numbers", "it is camera z, forward")
    return depth
