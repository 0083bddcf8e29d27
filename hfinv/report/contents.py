"""Everything that a report shows, made but not yet laid out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hfinv import render
from hfinv.camera import Camera, concatenate
from hfinv.errors import HfinvError
from hfinv.export import ExportConfig, glb
from hfinv.geometry import Shape, ShapeConfig, measure_distances
from hfinv.head import Head
from hfinv.image import shrink, to_bytes
from hfinv.intake import PHOTO, Face
from hfinv.progress import Progress, Step, ignore
from hfinv.render import RenderConfig
from hfinv.report import pictures
from hfinv.report.curves import Curve, read_curves
from hfinv.report.origin import Origin, origins, surface
from hfinv.run import Run
from hfinv.rundir import SETTINGS
from hfinv.tuning import Tuned

YAWS = (-90.0, -60.0, -30.0, 0.0, 30.0, 60.0, 90.0, 180.0)
"""Degrees of the views shown."""
STAGE = "report"
QUICK = 256
"""Generators of larger pictures, in pixels, are filmed before super-resolution: a film of theirs would take minutes."""


@dataclass(frozen=True)
class ReportConfig:
    """How much a report shows; the defaults keep it at some 2 MB, and at half a minute of one core."""

    map_size: int = 192
    """Side of the maps of what was seen, and of the distance map, in pixels."""
    frames: int = 24
    """Of the turntable."""
    fps: int = 8
    """Of the turntable."""
    grid: int = 128
    """Points along one side of the grid that the surface is cut from."""
    faces: int = 8_000
    """Of the model."""
    texture: int = 512
    """Side of the model's texture, in pixels; 0 colours its corners instead."""


@dataclass(frozen=True)
class Fit:
    """The photo's way to the head, uint8 [H, W, 3] each."""

    photo: np.ndarray | None
    """The whole photo with the outline of the crop; None in runs of versions that did not keep it."""
    overlay: np.ndarray
    """The crop with landmarks and axes."""
    crop: np.ndarray
    fit: np.ndarray
    difference: np.ndarray


@dataclass(frozen=True)
class Views:
    """The head from all around."""

    yaws: tuple[float, ...]
    """Degrees."""
    pictures: tuple[np.ndarray, ...]
    """uint8 [H, H, 3], one a yaw."""
    maps: tuple[np.ndarray, ...]
    """uint8 [h, h, 3], one a yaw: seen, mirrored, guessed."""
    origin: Origin
    """Of the same cameras."""
    beyond: tuple[bool, ...]
    """Whether the generator was never trained on views from there."""


@dataclass(frozen=True)
class Contents:
    """What the page shows."""

    about: dict[str, Any]
    """`run.json`."""
    name: str
    """Of the run's folder."""
    settings: str
    """`settings.toml`."""
    warnings: tuple[str, ...]
    psnr: float
    lpips: float
    fit: Fit
    views: Views
    distance: np.ndarray
    """uint8 [h, h, 3], seen from the photo's camera."""
    near_far: tuple[float, float]
    """World units that `distance` runs over."""
    relief: np.ndarray
    """uint8 [h, h, 3], the surface alone."""
    turntable: tuple[np.ndarray, ...]
    """uint8 [H, H, 3] frames."""
    fps: int
    """Of the turntable."""
    model: bytes | None
    """A GLB."""
    no_model: str
    """Why there is none."""
    curves: tuple[Curve, ...]


def gather(run: Run, head: Head, config: ReportConfig, progress: Progress = ignore) -> Contents:
    """Make everything that the page shows.

    Args:
        run: finished.
        head: of the run.
        config: how much to make.
        progress: hears of each picture.
    """
    face, tuned = run.load("intake", Face), run.load("tuning", Tuned)
    counted = (face.foreground * face.seen).to(head.planes.device)
    tell = counting(progress, 2 + config.frames)
    shape = surface(head, ShapeConfig(resolution=config.grid))
    views = seen_views(head, counted, shape, config)
    film = tuple(filmed(head, views, config, tell))
    here = distances(head, head.camera, config.map_size, shape)
    distance, *near_far = pictures.distance_map(here)
    tell()
    model, no_model = made_model(head, config)
    tell()
    settings = run.path / SETTINGS
    return Contents(
        about=run.about,
        name=run.path.resolve().name,
        settings=settings.read_text(encoding="utf-8") if settings.exists() else "",
        warnings=face.warnings,
        psnr=head.psnr,
        lpips=head.lpips,
        fit=fit_of(run, face, tuned),
        views=views,
        distance=distance,
        near_far=(near_far[0], near_far[1]),
        relief=pictures.shaded(head.camera, here),
        turntable=film,
        fps=config.fps,
        model=model,
        no_model=no_model,
        curves=tuple(read_curves(run.path)),
    )


def counting(progress: Progress, total: int) -> Callable[[], None]:
    """A function that tells of one more piece done each time it is called."""
    pieces = itertools.count(1)
    return lambda: progress(Step(STAGE, next(pieces), total))


def fit_of(run: Run, face: Face, tuned: Tuned) -> Fit:
    """The pictures on the photo's way to the head."""
    photo = run.path / "intake" / PHOTO
    fit = tuned.fit.cpu()
    size = fit.shape[-1]
    crop, head, seen = (shrink(x.cpu(), size) for x in (face.photo, face.foreground, face.seen))
    return Fit(
        photo=pictures.read_rgb(photo) if photo.exists() else None,
        overlay=pictures.read_rgb(run.path / "intake" / "overlay.png"),
        crop=to_bytes(crop),
        fit=to_bytes(fit),
        difference=pictures.difference(fit, crop, head * seen),
    )


def seen_views(
    head: Head,
    counted: Tensor,
    shape: Shape | None,
    config: ReportConfig,
) -> Views:
    """The head from `YAWS`, and where each part of each view comes from.

    Args:
        counted: [1, 1, S, S] in [0, 1], 1 where the photo shows the head.
        shape: the head's mesh, if it has one.
        config: size of the maps.
    """
    device = head.planes.device
    cameras = concatenate([render.still_camera(head.generator, yaw) for yaw in YAWS]).to(device)
    origin = origins(head, counted, head.camera, cameras, config.map_size, shape)
    drawn = [seen.image for seen in render.views(head, cameras)]
    trained = math.degrees(head.generator.card.yaw_range) + 1e-3
    return Views(
        yaws=YAWS,
        pictures=tuple(map(to_bytes, drawn)),
        maps=tuple(map(pictures.origin_map, drawn, origin.parts)),
        origin=origin,
        beyond=tuple(abs(yaw) > trained for yaw in YAWS),
    )


def distances(head: Head, camera: Camera, size: int, shape: Shape | None) -> Tensor:
    """What a camera measures of the head, [1, 1, size, size]; infinite beside it."""
    return measure_distances(head.generator, head.planes, head.w_plus, camera, size, shape)


def made_model(head: Head, config: ReportConfig) -> tuple[bytes | None, str]:
    """The head as a GLB; or None, and the sentence that says why. A report without a model is still one."""
    try:
        settings = ExportConfig(grid=config.grid, faces=config.faces, texture=config.texture)
        return glb(head, settings), ""
    except HfinvError as error:
        return None, error.message


@torch.no_grad()
def filmed(
    head: Head, views: Views, config: ReportConfig, tell: Callable[[], None]
) -> Iterator[np.ndarray]:
    """The frames of a turntable, uint8 [H, H, 3] each; those that are among the views are not drawn again."""
    settings = RenderConfig(fps=config.fps, seconds=config.frames / config.fps)
    cameras = render.orbit_cameras(head.generator, 360.0, settings).to(head.planes.device)
    whole = head.generator.card.image_size <= QUICK
    drawn = dict(zip(views.yaws, views.pictures)) if whole else {}
    for index in range(len(cameras)):
        yaw = 360.0 * index / len(cameras)
        frame = drawn.get(yaw if yaw <= 180 else yaw - 360)
        if frame is None:
            seen = head.generator.render(
                head.planes, head.w_plus, cameras[index], superresolve=whole, background=1.0
            )
            frame = to_bytes(seen.image)
        yield frame
        tell()
