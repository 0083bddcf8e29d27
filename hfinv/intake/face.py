"""What the intake can be told, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor

from hfinv.camera import Camera


PHOTO = "photo.jpg"
"""The whole photo with the outline of the crop, in the stage's folder; smaller, for people to look at."""


@dataclass(frozen=True)
class IntakeConfig:
    """Which face, how large, and when to refuse."""

    size: int = 512
    """Side of the crop, in pixels."""
    face: int | None = None
    """Which face of several, from 0, left to right; the largest if not given."""
    min_score: float = 0.5
    """How sure the detector must be of a face, in [0, 1]."""
    min_presence: float = 0.5
    """How sure the landmark network must be of it, in [0, 1]."""
    max_yaw_deg: float = 60.0
    """Faces turned further to the side are refused, in degrees."""
    warn_yaw_deg: float = 45.0
    """Faces turned further to the side get a warning, in degrees."""
    max_reprojection_px: float = 7.0
    """How far the landmarks may lie off the fitted head, in pixels of a 512 px crop."""
    min_face_px: float = 40.0
    """Smaller faces are refused, in pixels of the photo."""
    framing: Literal["eg3d", "panohead", "frontal", "none"] = "eg3d"
    """How the generator's training photos were cropped; set by the generator's card."""
    camera: Path | None = None
    """File with the photo's EG3D label; the photo is then taken as already cropped."""
    camera_key: str | None = None
    """Name of the photo in that file, where it labels several."""
    matte: bool = True
    """Tell the person from the background; if not, all of the crop counts as person."""


@dataclass(frozen=True)
class Face:
    """One face, cropped as EG3D's training photos are."""

    photo: Tensor
    """[1, 3, S, S] in [-1, 1], the crop; beyond the photo's border it is mirrored."""
    foreground: Tensor
    """[1, 1, S, S] in [0, 1], 1 = person, with neck and clothes; guessed where `seen` is 0."""
    camera: Camera
    """One camera, in EG3D's frame."""
    landmarks: Tensor
    """[1, 468, 2], (x, y) in [0, 1] of the crop; zeros where none were found (only with a given camera)."""
    presence: float
    """In [0, 1], how sure the landmark network is; 0 where it found nothing."""
    reprojection_px: float
    """Root mean square distance of the landmarks from the fitted head, in pixels of a 512 px crop."""
    warnings: tuple[str, ...]
    """Sentences for the person, without full stop."""
    crop_from_photo: Tensor
    """[2, 3], takes a pixel of the photo (corner (0, 0)) to one of the crop."""
    seen: Tensor
    """[1, 1, S, S], 1 where the crop lies inside the photo."""
    faces_found: int
