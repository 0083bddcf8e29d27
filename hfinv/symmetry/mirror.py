"""The photo in a mirror: its picture, matte, landmarks and camera."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.image import shrink
from hfinv.intake import Face
from hfinv.intake.head import partners
from hfinv.shapes import check


@dataclass(frozen=True)
class Sight:
    """What one camera saw of the head: the photo, or the photo in a mirror."""

    picture: Tensor
    """[1, 3, S, S] in [-1, 1]."""
    counted: Tensor
    """[1, 1, S, S] in [0, 1], 1 where it shows the head and may be believed."""
    landmarks: Tensor
    """[1, 468, 2], (x, y) in [0, 1], by MediaPipe's numbers: right and left are the subject's."""
    camera: Camera
    """One camera."""

    def mirrored(self) -> Sight:
        """What would be seen of the mirrored head by the mirrored camera; twice is the sight itself."""
        return Sight(
            self.picture.flip(-1),
            self.counted.flip(-1),
            mirror_landmarks(self.landmarks),
            self.camera.mirrored(),
        )


def sight_of(face: Face, camera: Camera, size: int) -> Sight:
    """The photo at the generator's size; a face without landmarks keeps its zeros.

    Args:
        face: the photo.
        camera: its camera, refined.
        size: side of the generator's picture, in pixels.
    """
    counted = shrink(face.foreground, size) * shrink(face.seen, size)
    return Sight(shrink(face.photo, size), counted, face.landmarks, camera)


def mirror_landmarks(landmarks: Tensor) -> Tensor:
    """Landmarks of the mirrored picture, by the same numbers.

    In the mirror the subject's right eye becomes a left one: moving the points is half of it, the other half is
    giving each the number of its partner on the other side. SPI's code leaves that out.

    Args:
        landmarks: [B, 468, 2], (x, y) in [0, 1].
    """
    check(landmarks=(landmarks, "B 468 2"))
    moved = torch.stack([1 - landmarks[..., 0], landmarks[..., 1]], -1)
    return moved[:, torch.from_numpy(partners()).to(landmarks.device)]
