"""See a head from anywhere: stills, turntables, swings, and how far away each point is."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hfinv import camera
from hfinv.camera import Camera
from hfinv.errors import UsageError
from hfinv.generators.base import Generator
from hfinv.image import resize, save_png, to_bytes, written_aside
from hfinv.video import write_video


def _check_angles(pitch: float, yaw: float = 0.0) -> None:
    if not math.isfinite(yaw):
        raise UsageError(f"{yaw} degrees is no direction", "write a number such as 30")
    if not abs(pitch) < 90:
        raise UsageError(
            f"a pitch of {pitch:g} degrees has no upright picture", "stay between -89 and 89"
        )


@dataclass(frozen=True)
class RenderConfig:
    """What the pictures look like. Nothing here changes the head."""

    size: int | None = None
    """Side of the pictures, in pixels; the generator's own if not given."""
    fps: int = 30
    """Frames a second of a video."""
    seconds: float = 6.0
    """Length of a video."""
    background: float | None = 1.0
    """Grey level behind the head: -1 black, 1 white; none leaves what the generator draws there."""
    pitch: float = 0.0
    """Degrees that the camera of a turntable or swing is lifted by."""

    def __post_init__(self) -> None:
        if self.size is not None and not 16 <= self.size <= 8192:
            raise UsageError(
                f"a size of {self.size} pixels cannot be rendered", "choose 16 to 8192"
            )
        if self.fps < 1 or not 0 < self.seconds < 3600:
            raise UsageError(
                f"no video has {self.fps} frames a second for {self.seconds} s", "try 30 for 6 s"
            )
        if self.background is not None and not -1 <= self.background <= 1:
            raise UsageError(
                f"the background {self.background} is no grey level",
                "choose -1 (black) to 1 (white)",
            )
        _check_angles(self.pitch)

    @property
    def frames(self) -> int:
        """How many pictures a video has."""
        return max(1, round(self.fps * self.seconds))


class Renderable(Protocol):
    """A head, as far as pictures of it need one."""

    generator: Generator
    planes: Tensor
    """[1, 3, C, h, w]."""
    w_plus: Tensor
    """[1, L, D]."""


@dataclass(frozen=True)
class View:
    """What one camera sees of a head."""

    image: Tensor
    """[1, 3, S, S] in [-1, 1]."""
    alpha: Tensor
    """[1, 1, S, S] in [0, 1], 1 where the head is."""
    opacity: Tensor
    """[1, 1, h, h] in [0, 1], as the rays of `distance` saw the head."""
    distance: Tensor
    """[1, 1, h, h], along the unit ray, world units; one for each ray, never resized."""
    camera: Camera

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [S, S, 3]."""
        return to_bytes(self.image)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture as a PNG; returns its path."""
        return save_png(path, self.image)

    def measured(self) -> dict[str, np.ndarray]:
        """What a distance file holds, float32.

        `distance` [h, h] along the unit ray, world units; `alpha` [h, h] in [0, 1], where it is near 0 the
        distance means nothing; `camera` [25], the label that turns both into points.
        """
        arrays = {
            "distance": self.distance[0, 0],
            "alpha": self.opacity[0, 0],
            "camera": self.camera.label()[0],
        }
        return {key: value.float().cpu().numpy() for key, value in arrays.items()}

    def save_distance(self, path: str | os.PathLike[str]) -> Path:
        """Write what `measured` gives as an npz; returns its path."""
        return _save_arrays(path, self.measured())


def view(head: Renderable, seen_from: Camera, config: RenderConfig = RenderConfig()) -> View:
    """The head as one camera sees it.

    The generator draws at its own size; any other size is that picture resized, so that all sizes
    show the same head.
    """
    device = head.planes.device
    with torch.no_grad():
        drawn = head.generator.render(
            head.planes, head.w_plus, seen_from.to(device), background=config.background
        )
        size = config.size or drawn.image.shape[-1]
        image, alpha = resize(drawn.image, size), resize(drawn.alpha, size)
    return View(image, alpha, drawn.opacity, drawn.distance, seen_from)


def views(
    head: Renderable, cameras: Camera, config: RenderConfig = RenderConfig()
) -> Iterator[View]:
    """What each of the cameras sees, one at a time: memory does not grow with their number."""
    for index in range(len(cameras)):
        yield view(head, cameras[index], config)


def still_camera(generator: Generator, yaw: float = 0.0, pitch: float = 0.0) -> Camera:
    """The generator's camera at `yaw` and `pitch` degrees; yaw > 0 stands to the right of the image."""
    _check_angles(pitch, yaw)
    return camera.look_at(math.radians(yaw), math.radians(pitch), **_sphere(generator))


def orbit_cameras(
    generator: Generator, degrees: float, config: RenderConfig = RenderConfig()
) -> Camera:
    """A turntable. Whole turns start at the front; shorter arcs have the front in their middle."""
    _check_angles(config.pitch, degrees)
    whole = math.isclose(abs(degrees) % 360, 0) and degrees != 0
    start = 0.0 if whole else -math.radians(degrees) / 2
    pitch = math.radians(config.pitch)
    return camera.orbit(config.frames, degrees, pitch, start, **_sphere(generator))


def swing_cameras(
    generator: Generator, degrees: float, config: RenderConfig = RenderConfig()
) -> Camera:
    """From the front to `degrees` on either side and back, without a seam."""
    _check_angles(config.pitch, degrees)
    return camera.swing(config.frames, degrees, math.radians(config.pitch), **_sphere(generator))


def read_cameras(path: str | os.PathLike[str]) -> dict[str, Camera]:
    """Named cameras of a JSON file: an object of name -> EG3D label of 25 numbers.

    Raises:
        UsageError: there is no such file, or it holds something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        entries = json.loads(text, object_pairs_hook=_Pairs)
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read ({error.strerror})", "check the path") from error
    except ValueError as error:
        raise UsageError(f"`{path}` is not JSON ({error})", _CAMERAS_HINT) from error
    if not isinstance(entries, _Pairs) or not entries:
        raise UsageError(f"`{path}` holds no named cameras", _CAMERAS_HINT)
    cameras: dict[str, Camera] = {}
    for name, label in entries:
        _check_name(name, cameras, path)
        cameras[name] = _camera_of(label, name, path)
    return cameras


def save_stills(
    head: Renderable,
    cameras: Mapping[str, Camera],
    folder: str | os.PathLike[str],
    config: RenderConfig = RenderConfig(),
    distance: bool = False,
) -> Iterator[Path]:
    """Write `folder/NAME.png` for each camera, and `NAME.npz` with its distances if asked; yields each path."""
    for name, seen_from in cameras.items():
        seen = view(head, seen_from, config)
        yield seen.save(Path(folder) / f"{name}.png")
        if distance:
            yield seen.save_distance(Path(folder) / f"{name}.npz")


def save_video(
    head: Renderable,
    cameras: Camera,
    path: str | os.PathLike[str],
    config: RenderConfig = RenderConfig(),
    distance: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Film the head along the cameras.

    Args:
        cameras: one a frame.
        path: ends in .mp4, .webm or .gif.
        distance: also write the frames' distances, as `path` with the ending .npz.
        progress: called with the number of frames done and their total.

    Returns:
        The files written.
    """
    measured: list[dict[str, np.ndarray]] = []

    def frames() -> Iterator[np.ndarray]:
        for done, seen in enumerate(views(head, cameras, config), start=1):
            if distance:
                measured.append(seen.measured())
            yield seen.pixels
            progress(done, len(cameras))

    written = [write_video(path, frames(), config.fps)]
    if distance:
        stacked = {key: np.stack([frame[key] for frame in measured]) for key in measured[0]}
        written.append(_save_arrays(Path(path).with_suffix(".npz"), stacked))
    return written


def _save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray]) -> Path:
    path = Path(path)
    with written_aside(path) as aside:
        np.savez_compressed(aside, **arrays)
    return path


def _sphere(generator: Generator) -> dict[str, Any]:
    card = generator.card
    return {"radius": card.radius, "pivot": tuple(card.pivot), "focal": card.focal}


_CAMERAS_HINT = 'write {"name": [25 numbers: cam2world and intrinsics, row by row], ...}'


class _Pairs(list):
    """A JSON object as the (name, value) pairs that stand in the file: a dict would hide repeated names."""


def _check_name(name: str, known: Mapping[str, Camera], path: str | os.PathLike[str]) -> None:
    if not name.strip() or name.startswith(".") or any(mark in name for mark in "/\\\0"):
        raise UsageError(
            f"`{path}` has a camera named `{name}`, which cannot name a picture",
            "use a plain file name",
        )
    if name in known:
        raise UsageError(f"`{path}` has two cameras named `{name}`", "give each its own name")


def _camera_of(label: Any, name: str, path: str | os.PathLike[str]) -> Camera:
    what = f"camera `{name}` of `{path}`"
    if not isinstance(label, list) or not all(type(number) in (int, float) for number in label):
        raise UsageError(f"{what} is not a list of numbers", _CAMERAS_HINT)
    if len(label) != 25:
        raise UsageError(f"{what} has {len(label)} numbers, not 25", _CAMERAS_HINT)
    read = camera.from_label(torch.tensor(label, dtype=torch.float64))
    turn = read.cam2world[0, :3, :3]
    rigid = torch.allclose(turn @ turn.mT, torch.eye(3), atol=1e-2) and torch.det(turn) > 0
    if not rigid or not torch.isfinite(read.label()).all():
        raise UsageError(f"{what} is no camera: its 3 x 3 rotation does not turn", _CAMERAS_HINT)
    return read
