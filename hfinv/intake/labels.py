"""A camera that somebody else measured: EG3D's label files."""

from __future__ import annotations

import difflib
import json
import math
from pathlib import Path
from typing import Any

import torch

from hfinv.camera import Camera, from_label
from hfinv.errors import PhotoError

LENGTH = 25
"""cam2world row by row, then intrinsics row by row."""
TOLERANCE = 1e-2
"""How far a rotation, times its transpose, may lie off the identity."""
HINT = 'give 25 numbers, or a `dataset.json` of the form {"labels": [["name", [25 numbers]], ...]}'


def read_camera(path: str | Path, key: str | None = None) -> Camera:
    """Read one camera.

    Args:
        path: JSON: 25 numbers; EG3D's dataset.json; or an object from names to 25 numbers.
        key: which one, where the file names several.

    Raises:
        PhotoError: the file cannot be read, does not have that key, or holds no camera there.
    """
    content = _parsed(path)
    if _is_label(content):
        return _camera(content, str(path))
    named = _named(content, path)
    if key is None:
        if len(named) != 1:
            raise PhotoError(
                f"`{path}` holds {len(named)} cameras, and none was chosen",
                f"say which with `--camera-key`, such as `--camera-key {next(iter(named))}`",
            )
        key = next(iter(named))
    if key not in named:
        near = difflib.get_close_matches(key, named, n=3, cutoff=0) or list(named)[:3]
        raise PhotoError(
            f"`{path}` has no camera named `{key}`",
            "the nearest names are " + ", ".join(f"`{n}`" for n in near),
        )
    return _camera(named[key], f"{path}` at `{key}")


def _parsed(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PhotoError(f"the camera file `{path}` cannot be read ({reason})", HINT) from error
    except ValueError as error:  # also undecodable bytes
        raise PhotoError(f"the camera file `{path}` is not JSON", HINT) from error


def _is_label(content: Any) -> bool:
    return isinstance(content, list) and all(_is_number(n) for n in content) and bool(content)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _named(content: Any, path: str | Path) -> dict[str, Any]:
    if isinstance(content, dict) and isinstance(content.get("labels"), list):
        pairs = content["labels"]
        if all(isinstance(p, list) and len(p) == 2 and isinstance(p[0], str) for p in pairs):
            content = {name: label for name, label in pairs}
    if not isinstance(content, dict) or not content or "labels" in content:
        raise PhotoError(f"`{path}` holds no cameras", HINT)
    return content


def _camera(label: Any, where: str) -> Camera:
    if not _is_label(label) or len(label) != LENGTH:
        count = f"{len(label)} numbers" if _is_label(label) else "something else"
        raise PhotoError(f"`{where}` holds {count}, where a camera has {LENGTH} numbers", HINT)
    if not all(math.isfinite(n) for n in label):
        raise PhotoError(f"`{where}` holds a number that is not finite", HINT)
    camera = from_label(torch.tensor(label, dtype=torch.float64))
    rotation = camera.cam2world[0, :3, :3]
    off = (rotation @ rotation.T - torch.eye(3)).abs().max().item()
    if off > TOLERANCE or torch.det(rotation).item() < 0:
        raise PhotoError(
            f"the first 16 numbers of `{where}` do not turn and move a camera: they hold no rotation",
            "they are cam2world, row by row, in OpenCV's axes (x right, y down, z forward)",
        )
    last = camera.cam2world[0, 3] - torch.tensor([0.0, 0.0, 0.0, 1.0])
    if last.abs().max() > TOLERANCE or camera.intrinsics[0].diagonal().min() <= 0:
        raise PhotoError(
            f"`{where}` is no EG3D label: the camera matrix must end in 0, 0, 0, 1, and the focal length be positive",
            HINT,
        )
    return camera
