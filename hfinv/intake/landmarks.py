"""Where eyes, nose, mouth and outline are: MediaPipe's points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from hfinv.image import to_tensor
from hfinv.intake import graph
from hfinv.intake.detect import Detection
from hfinv.intake.head import partners
from hfinv.intake.resample import apply, draw, invert, similarity

NETWORK = "face_landmarks_detector"
POINTS = 468
"""The network's last ten points are the irises; the face is the rest."""
PASSES = 3
"""Each looks where the one before found the face; after three the detector's box no longer matters."""
EXTREME = 80.0
"""Logits beyond it are as good as certain."""
ROOM = 1.5
"""Side of the window, in sides of the face's box."""
RIGHT_EYE, LEFT_EYE = (33, 133), (263, 362)
"""Outer and inner corner. Left and right are the subject's: the right eye is left in the picture."""
NOSE, MOUTH = 1, (61, 291)
"""Tip of the nose; right and left corner of the mouth."""
OVAL = (
    (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377)
    + (152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
)  # fmt: skip
"""The outline, from the forehead clockwise in the picture."""


@dataclass(frozen=True)
class Landmarks:
    """One face's points, in pixels of the picture."""

    points: np.ndarray
    """[468, 2]."""
    evidence: float
    """Logit of the presence: about 20 for a clear face, under 15 for one that was taken upside down."""

    @property
    def presence(self) -> float:
        """In [0, 1], how sure the network is that it saw a face."""
        return 1 / (1 + math.exp(-max(self.evidence, -EXTREME)))

    @property
    def side(self) -> float:
        """The longer side of the box around the points, in pixels."""
        return float(np.ptp(self.points, 0).max())

    @property
    def roll(self) -> float:
        """Of the line through the eyes, radians; > 0 where the head leans to the right of the picture."""
        return _angle(self.points[LEFT_EYE[0]] - self.points[RIGHT_EYE[0]])

    @property
    def middle(self) -> np.ndarray:
        """[2], of the box around the points."""
        return (self.points.min(0) + self.points.max(0)) / 2


@dataclass(frozen=True)
class _Window:
    """The square the network looks through."""

    centre: np.ndarray
    side: float
    angle: float
    """Of the line through the eyes, radians."""


def locate(photo: np.ndarray, detection: Detection) -> Landmarks:
    """The points of a detected face.

    Args:
        photo: uint8 [H, W, 3].
        detection: in pixels of the photo.
    """
    side = ROOM * float(np.ptp(detection.box, 0).max())
    window = _Window(detection.box.mean(0), side, detection.roll)
    for _ in range(PASSES - 1):
        window = _around(_look(photo, window, mirror=False))
    return _look(photo, window, mirror=True)


def _look(photo: np.ndarray, window: _Window, mirror: bool) -> Landmarks:
    """Run the network through a window; with `mirror`, average with what it says of the mirror image.

    The network is not quite symmetric: the average takes out a degree of yaw that is not there.
    """
    network = graph.load(NETWORK)
    size = network.size
    window_from_photo = similarity(
        size / window.side, -window.angle, window.centre, np.full(2, size / 2)
    )
    seen = to_tensor(draw(photo, window_from_photo, size, cv2.BORDER_REPLICATE))
    if mirror:
        seen = torch.cat([seen, seen.flip(-1)])
    with torch.inference_mode():
        found = network(seen)
    points = found["points"].double().reshape(len(seen), -1, 3)[:, :POINTS, :2].numpy()
    if mirror:
        points[1, :, 0] = size - points[1, :, 0]
        points[1] = points[1, partners()]
    evidence = found["presence"].mean().item()
    return Landmarks(apply(invert(window_from_photo), points.mean(0)), evidence)


def _around(face: Landmarks) -> _Window:
    """A window on the face, level with its eyes."""
    level = similarity(1.0, -face.roll, np.zeros(2), np.zeros(2))
    turned = Landmarks(apply(level, face.points), face.evidence)
    return _Window(apply(invert(level), turned.middle), ROOM * turned.side, face.roll)


def _angle(direction: np.ndarray) -> float:
    return math.atan2(direction[1], direction[0])
