"""Which face of those found, and whether it will do."""

from __future__ import annotations

import math

from hfinv.camera import Camera
from hfinv.errors import PhotoError
from hfinv.intake.face import IntakeConfig
from hfinv.intake.landmarks import Landmarks

MUCH_OUTSIDE = 0.15
"""Share of the crop beyond the photo's border from which on the person is told."""
MUCH_ENLARGED = 3.0
"""Crop pixels for one of the photo from which on the person is told."""
CAMERAS_DIFFER_DEG = 15.0
"""Between a given camera and the one we would have measured; beyond it the person is told."""

NO_FACE = "use a photo that shows the whole face from the front, and not from far away"


def choose(found: list[Landmarks], config: IntakeConfig) -> tuple[Landmarks, int, tuple[str, ...]]:
    """One face, how many there are, and what the person should know of the choice.

    Raises:
        PhotoError: no face, not that many faces, or a face too small or too unclear.
    """
    if not found:
        raise PhotoError("no face found in the photo", NO_FACE)
    clear = [face for face in found if face.presence >= config.min_presence]
    if not clear:
        best = max(face.presence for face in found)
        raise PhotoError(
            f"what looks like a face has no clear features (presence {best:.2f}, at least"
            f" {config.min_presence:.2f} is needed)",
            NO_FACE,
        )
    clear.sort(key=lambda face: face.points[:, 0].mean())
    count = len(clear)
    if config.face is None:
        index = max(range(count), key=lambda i: clear[i].side)
    elif 0 <= config.face < count:
        index = config.face
    else:
        raise PhotoError(_no_such_face(config.face, count), _which_faces(count))
    if clear[index].side < config.min_face_px:
        raise PhotoError(
            f"the face is only {clear[index].side:.0f} pixels large, at least"
            f" {config.min_face_px:.0f} are needed",
            "use a larger version of the photo, or one taken from nearer",
        )
    return clear[index], count, _about_choice(index, count, config)


def check_pose(camera: Camera, reprojection_px: float, config: IntakeConfig) -> tuple[str, ...]:
    """What the person should know of the pose.

    Raises:
        PhotoError: too far to the side, or the landmarks are not those of a head.
    """
    yaw = abs(math.degrees(camera.angles()[0].item()))
    if yaw > config.max_yaw_deg:
        raise PhotoError(
            f"the face is turned {yaw:.0f} degrees to the side, at most {config.max_yaw_deg:.0f} can be used",
            "use a photo taken more from the front",
        )
    if reprojection_px > config.max_reprojection_px:
        raise PhotoError(
            f"the features found do not fit a head: they are {reprojection_px:.1f} pixels off, at most"
            f" {config.max_reprojection_px:.1f} will do",
            "use a photo where nothing covers the face, taken more from the front",
        )
    return about_yaw(camera, config)


def about_yaw(camera: Camera, config: IntakeConfig) -> tuple[str, ...]:
    """A warning for a face far to the side."""
    yaw = abs(math.degrees(camera.angles()[0].item()))
    if yaw <= config.warn_yaw_deg:
        return ()
    return (f"the face is turned {yaw:.0f} degrees to the side: its far half will be a guess",)


def about_crop(turns: int, scale: float, outside: float) -> tuple[str, ...]:
    """What the person should know of the crop.

    Args:
        turns: quarter turns that put the photo upright.
        scale: crop pixels for one of the photo.
        outside: share of the crop beyond the photo's border.
    """
    warnings = []
    if turns:
        warnings.append(f"the photo was turned by {90 * turns} degrees, counter-clockwise")
    if scale > MUCH_ENLARGED:
        warnings.append(
            f"the face is small and was enlarged {scale:.1f} times: details will be soft"
        )
    if outside > MUCH_OUTSIDE:
        warnings.append(
            f"{100 * outside:.0f} % of the crop lies outside the photo and was filled by mirroring"
        )
    return tuple(warnings)


def about_given(given: Camera, measured: Camera) -> tuple[str, ...]:
    """A warning if a given camera cannot be that of the photo."""
    turn = given.cam2world[0, :3, :3].T @ measured.cam2world[0, :3, :3]
    angle = math.degrees(math.acos(min(1.0, max(-1.0, (turn.trace().item() - 1) / 2))))
    if angle <= CAMERAS_DIFFER_DEG:
        return ()
    return (f"the given camera differs by {angle:.0f} degrees from what the photo shows",)


def _about_choice(index: int, count: int, config: IntakeConfig) -> tuple[str, ...]:
    if count == 1 or config.face is not None:
        return ()
    return (
        f"the photo shows {count} faces; the largest was taken, which is `--face {index}`:"
        f" {_which_faces(count)}",
    )


def _no_such_face(wanted: int, count: int) -> str:
    return f"there is no face {wanted}: the photo shows {count} face{'s' * (count != 1)}"


def _which_faces(count: int) -> str:
    if count == 1:
        return "leave `--face` out, or say `--face 0`"
    return f"choose from `--face 0` to `--face {count - 1}`, left to right"
