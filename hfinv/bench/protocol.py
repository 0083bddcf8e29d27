"""What the benchmark asks of a head: from where it is seen, and what is measured there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hfinv.camera import Camera

INPUT = "input"
"""Name of the view that a recipe is given."""
YAWS = (15, -15, 30, -30, 45, -45, 60, -60, 90, 180)
"""Degrees of yaw from the input view, at the input's pitch."""
PITCHES = (10, -10)
"""Degrees of pitch from the input view, at the input's yaw."""
RING = (-30, -15, 0, 15, 30)
"""Yaws of the neighbouring views whose contradictions are measured."""
PHOTO_YAWS = (-30, 30)
"""Where a photograph's head is compared with the photograph, for likeness alone."""
MOST_LIKE = 60
"""Degrees of yaw of the camera beyond which no face can be described."""
BINS = (15, 30, 45, 60, 90, 180)
"""Yaw bins by the yaw that they are named after; both sides count alike."""
LEVEL = 5.0
"""Degrees of yaw within which a view differs from the input by its pitch only."""


@dataclass(frozen=True)
class Column:
    """One measured thing."""

    name: str
    title: str
    """As a table writes it."""
    digits: int
    """After the decimal point."""
    better: str
    """`higher`, `lower`, or empty."""


PICTURES = (
    Column("psnr", "PSNR", 2, "higher"),
    Column("ssim", "SSIM", 3, "higher"),
    Column("ms_ssim", "MS-SSIM", 3, "higher"),
    Column("lpips_alex", "LPIPS alex", 3, "lower"),
    Column("lpips_vgg", "LPIPS vgg", 3, "lower"),
    Column("identity", "identity distance", 3, "lower"),
)
"""Of each view, on the foreground; MS-SSIM of the whole picture."""
WHOLE = (
    Column("psnr_whole", "PSNR whole", 2, "higher"),
    Column("ssim_whole", "SSIM whole", 3, "higher"),
    Column("lpips_alex_whole", "LPIPS alex whole", 3, "lower"),
    Column("lpips_vgg_whole", "LPIPS vgg whole", 3, "lower"),
)
"""The same with the silhouette's faults: over one plain background."""
SHAPE = (
    Column("iou", "silhouette IoU", 3, "higher"),
    Column("distance", "distance % of head", 2, "lower"),
    Column("normals", "normals deg", 1, "lower"),
)
"""Of each view that has a true distance map."""
RUNS = (
    Column("camera_deg", "camera deg", 2, "lower"),
    Column("camera_distance", "camera distance %", 2, "lower"),
    Column("warp", "warp error /255", 2, "lower"),
    Column("seconds", "seconds", 0, "lower"),
    Column("peak_mb", "peak MB", 0, "lower"),
)
"""Of each run as a whole."""
EVERY_VIEW = PICTURES + WHOLE + SHAPE
COMPARED = tuple(
    c for c in EVERY_VIEW if c.name in ("psnr", "lpips_alex", "identity", "distance", "normals")
)
"""In which recipes are compared head by head."""


def turned(camera: Camera, yaw: float = 0.0, pitch: float = 0.0) -> Camera:
    """A camera moved around the world origin as on a globe; its distance from it and its roll stay.

    Args:
        camera: B cameras.
        yaw: degrees about the world's y axis; > 0 goes towards +x.
        pitch: degrees upwards.
    """
    own, _ = camera.angles()
    lift = rotation(0, own.new_tensor(-math.radians(pitch)))
    # lifting is a turn about x for a camera that stands at yaw 0
    turn = rotation(1, own + math.radians(yaw)) @ lift @ rotation(1, -own)
    moved = turn.to(camera.cam2world.device) @ camera.cam2world.double()
    return Camera(moved.to(camera.cam2world), camera.intrinsics)


def rotation(axis: int, angle: Tensor) -> Tensor:
    """[..., 4, 4], the right-handed turn about a world axis by radians [...]."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = torch.eye(4, dtype=torch.float64).repeat(*angle.shape, 1, 1)
    cos, sin = angle.double().cos().cpu(), angle.double().sin().cpu()
    matrix[..., i, i], matrix[..., i, j] = cos, -sin
    matrix[..., j, i], matrix[..., j, j] = sin, cos
    return matrix


def input_views(camera: Camera) -> dict[str, Camera]:
    """The protocol's cameras around the input's, by name."""
    views = {INPUT: camera}
    views |= {f"yaw{yaw:+d}": turned(camera, yaw) for yaw in YAWS}
    return views | {f"pitch{pitch:+d}": turned(camera, pitch=pitch) for pitch in PITCHES}


def beside(camera: Camera, source: Camera, estimate: Camera) -> Camera:
    """Where a true camera stands in the world of a recipe that measured the input's camera itself.

    A recipe may move the input's camera and the head together without changing any picture; what is known of another
    view is how it stands to the input's.

    Args:
        camera: the true camera of the view.
        source: the true camera of the input.
        estimate: the recipe's camera of the input.
    """
    moved = estimate.cam2world.double() @ torch.linalg.inv(source.cam2world.double())
    return Camera((moved @ camera.cam2world.double()).to(camera.cam2world), camera.intrinsics)


def angles_between(camera: Camera, source: Camera) -> tuple[float, float]:
    """Yaw and pitch of a camera relative to the input's, degrees; yaw in (-180, 180]."""
    yaw, pitch = (math.degrees(a.item()) for a in camera.angles())
    yaw_0, pitch_0 = (math.degrees(a.item()) for a in source.angles())
    off = (yaw - yaw_0) % 360
    return (off - 360 if off > 180 + 1e-3 else off), pitch - pitch_0


def bin_of(view: str, yaw: float) -> str:
    """The row of the table that a view belongs to.

    Args:
        view: its name.
        yaw: degrees from the input's.
    """
    if view == INPUT:
        return INPUT
    if abs(yaw) < LEVEL:
        return "pitch"
    nearest = min(BINS, key=lambda middle: abs(abs(yaw) - middle))
    return f"yaw {nearest}"


BIN_NAMES = (INPUT, *(f"yaw {middle}" for middle in BINS), "pitch")
"""In the order of the tables."""
