"""All faces of a photo, whichever way up it lies."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from hfinv.image import resize, to_bytes
from hfinv.intake.detect import detect
from hfinv.intake.landmarks import Landmarks, locate
from hfinv.intake.resample import apply, quarter_turns

LOOKS = (
    (False, (0,)),
    (False, (1, 2, 3)),
    (True, (0,)),
    (True, (1, 2, 3)),
)
"""Part by part or not, and by which quarter turns: from the likely to the far-fetched."""
FINE = 512
"""Longest side of a photo, in pixels, in which a close look finds nothing that is large enough to use."""
SURE = 15.0
"""Evidence above which a face is not one on its head: of 146 portraits turned upside down, none reached
it, and of the upright ones 141 did."""


DRAWN = 512
"""Side to which a drawn picture is brought before a face is sought in it, in pixels."""
CLEAR = 0.5
"""Score of the detector and presence of the landmarks from which on a drawn face counts."""


def landmarks_of(picture: Tensor) -> np.ndarray | None:
    """[468, 2] in [0, 1], (x, y) of the surest face of a drawn picture [1, 3, H, H] in [-1, 1]; None if there is none."""
    found = find_faces(to_bytes(resize(picture, DRAWN)), CLEAR, CLEAR)
    return found[0].points / DRAWN if found and found[0].presence >= CLEAR else None


def find_faces(photo: np.ndarray, min_score: float, min_presence: float) -> list[Landmarks]:
    """Look until there is a face that is there for sure, or clearly enough and nothing better.

    Args:
        photo: uint8 [H, W, 3].
        min_score: of the detector, in [0, 1].
        min_presence: of the landmarks, in [0, 1]; fainter faces are returned but not settled for.

    Returns:
        In pixels of the photo, surest first.
    """
    found: list[Landmarks] = []
    for number, (closely, turns) in enumerate(LOOKS):
        if closely and max(photo.shape[:2]) <= FINE:
            break
        detections = detect(photo, min_score, turns, closely)
        found = _without_twins(found + [locate(photo, d) for d in detections])
        clear = [face for face in found if face.presence >= min_presence]
        upright_only = number % 2 == 0
        if clear and (clear[0].evidence >= SURE or not upright_only):
            break
    return found


def upright_turns(found: list[Landmarks], min_presence: float) -> int:
    """The quarter turns of `np.rot90` that put the largest clear face upright."""
    clear = [face for face in found if face.presence >= min_presence]
    if not clear:
        return 0
    return round(max(clear, key=lambda face: face.side).roll / (math.pi / 2)) % 4


def turned(face: Landmarks, turns: int, width: int, height: int) -> Landmarks:
    """The same face in `np.rot90(photo, turns)`, of a width x height photo."""
    return Landmarks(apply(quarter_turns(turns, width, height), face.points), face.evidence)


def _without_twins(found: list[Landmarks]) -> list[Landmarks]:
    """One face for each place, surest first.

    Upside down, a face can pass for another: of two that look up different ways the surer is kept. Of two
    that look up the same way, the earlier: its detection was the better.
    """
    kept: list[Landmarks] = []
    for face in found:
        twins = [k for k in kept if _in_one_place(face, k)]
        if not twins:
            kept.append(face)
        elif all(face.evidence > t.evidence and not _same_way_up(face, t) for t in twins):
            kept = [k for k in kept if not any(k is t for t in twins)] + [face]
    return sorted(kept, key=lambda face: -face.evidence)


def _in_one_place(face: Landmarks, other: Landmarks) -> bool:
    return bool(np.linalg.norm(face.middle - other.middle) < max(face.side, other.side) / 2)


def _same_way_up(face: Landmarks, other: Landmarks) -> bool:
    return math.cos(face.roll - other.roll) > math.cos(math.pi / 4)
