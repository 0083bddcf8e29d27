"""Where the faces are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from hfinv.image import to_tensor
from hfinv.intake import graph
from hfinv.intake.resample import apply, compose, draw, invert, quarter_turns, shift_scale

FAR, NEAR = "face_detection_back", "face_detector"
"""The first finds faces of any size; the second those that fill the frame, should the first miss them."""
COPY = 2048
"""Longest side of the copy that is searched, in pixels: the detectors see no finer."""
SAME_FACE = 0.3
"""Boxes that overlap by more (intersection over union) are one face."""
ANCHORS = ((16, 2), (8, 6))
"""Cells along a side, and guesses in each, in the detectors' order."""
TILES = 3
"""For a close look the photo is searched in this many parts a side,"""
TILE = 0.5
"""each of which is this much of the whole, so that they overlap by half."""


@dataclass(frozen=True)
class Detection:
    """One face, in pixels of the picture it was found in."""

    score: float
    """In [0, 1]."""
    box: np.ndarray
    """[2, 2]: left top, right bottom corner."""
    keypoints: np.ndarray
    """[6, 2]: the subject's right eye, left eye, nose tip, mouth, right ear, left ear."""

    @property
    def roll(self) -> float:
        """Of the line through the eyes, radians."""
        x, y = self.keypoints[1] - self.keypoints[0]
        return math.atan2(y, x)


def detect(
    photo: np.ndarray, min_score: float, turns: tuple[int, ...] = (0,), closely: bool = False
) -> list[Detection]:
    """Find faces.

    Args:
        photo: uint8 [H, W, 3].
        min_score: detections below it are dropped.
        turns: quarter turns (of `np.rot90`) by which to search the photo; the detectors hardly see faces
            on their sides.
        closely: search the photo part by part, for faces that are small in it.

    Returns:
        In pixels of the photo as it is, surest first. A face found in two turns is there twice.
    """
    height, width = photo.shape[:2]
    shrink = max(max(height, width) / COPY, 1)
    small = (max(round(width / shrink), 1), max(round(height / shrink), 1))
    copy = cv2.resize(photo, small, interpolation=cv2.INTER_AREA) if shrink > 1 else photo
    photo_from_copy = shift_scale((width / small[0], height / small[1]), (0.0, 0.0))
    frames = _tiles(*small) if closely else [(0.0, 0.0, float(small[0]), float(small[1]))]
    size = graph.load(FAR).size
    maps = [_letterbox(frame, size) for frame in frames]
    squares = [draw(copy, m, size, cv2.BORDER_CONSTANT) for m in maps]
    found = []
    for turn in turns:
        seen = []
        for square, square_from_copy in zip(squares, maps):
            turned_from_copy = compose(quarter_turns(turn, size, size), square_from_copy)
            photo_from_turned = compose(photo_from_copy, invert(turned_from_copy))
            faces = _in_square(np.rot90(square, turn), min_score, closely)
            seen += [_moved(face, photo_from_turned) for face in faces]
        found += _without_repeats(seen)
    return sorted(found, key=lambda d: -d.score)


def _tiles(width: int, height: int) -> list[tuple[float, float, float, float]]:
    """Overlapping parts of the photo: left, top, width, height."""
    w, h = width * TILE, height * TILE
    steps = [i * (1 - TILE) / (TILES - 1) for i in range(TILES)]
    return [(width * x, height * y, w, h) for y in steps for x in steps]


def _in_square(square: np.ndarray, min_score: float, closely: bool) -> list[Detection]:
    """Faces in a square of `FAR`'s size."""
    found = _run(FAR, square, min_score)
    if found or closely:  # what fills a part of the photo was seen in the whole
        return found
    size = graph.load(NEAR).size
    back = square.shape[0] / size
    small = cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)
    return [_moved(d, shift_scale((back, back), (0.0, 0.0))) for d in _run(NEAR, small, min_score)]


def _run(name: str, square: np.ndarray, min_score: float) -> list[Detection]:
    network = graph.load(name)
    with torch.inference_mode():
        answer = network(to_tensor(square))
    return _decode(answer["boxes"], answer["scores"], network.size, min_score)


def _letterbox(frame: tuple[float, float, float, float], size: int) -> np.ndarray:
    """Takes the frame into the middle of a size x size square."""
    left, top, width, height = frame
    scale = size / max(width, height)
    shift = (size / 2 - scale * (left + width / 2), size / 2 - scale * (top + height / 2))
    return shift_scale((scale, scale), shift)


def _decode(boxes: Tensor, scores: Tensor, size: int, min_score: float) -> list[Detection]:
    """The network's answers about its anchors, merged into faces.

    Args:
        boxes: [1, A, 16]: centre (from the anchor), sides, then six points (from the anchor), in pixels.
        scores: [1, A, 1], logits.
    """
    chances = torch.sigmoid(scores[0, :, 0]).double().numpy()
    kept = chances >= min_score
    values = boxes[0].double().numpy()[kept].reshape(-1, 8, 2)
    anchors = _anchors()[kept] * size
    centre, sides = values[:, 0] + anchors, values[:, 1]
    points = values[:, 2:] + anchors[:, None]
    corners = np.stack([centre - sides / 2, centre + sides / 2], 1)  # [A, 2, 2]
    return _merged(np.concatenate([corners, points], 1), chances[kept])


def _anchors() -> np.ndarray:
    """[896, 2] in [0, 1], the middles of the cells."""
    grids = []
    for cells, guesses in ANCHORS:
        middles = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(middles, middles)
        grids.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), guesses, 0))
    return np.concatenate(grids)


def _merged(guesses: np.ndarray, scores: np.ndarray) -> list[Detection]:
    """Average the guesses [A, 8, 2] of each face, weighted by their scores."""
    found = []
    order = np.argsort(-scores, kind="stable")
    while len(order):
        same = _overlap(guesses[order, :2], guesses[order[0], :2]) > SAME_FACE
        same[0] = True
        weights = scores[order[same]]
        mean = np.tensordot(weights, guesses[order[same]], 1) / weights.sum()
        found.append(Detection(float(weights[0]), mean[:2], mean[2:]))
        order = order[~same]
    return found


def _without_repeats(found: list[Detection]) -> list[Detection]:
    """Faces seen in two overlapping tiles, once; surest first."""
    kept: list[Detection] = []
    for each in sorted(found, key=lambda d: -d.score):
        if all(_overlap(each.box[None], other.box)[0] <= SAME_FACE for other in kept):
            kept.append(each)
    return kept


def _overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union of [A, 2, 2] boxes with one."""
    low, high = np.maximum(boxes[:, 0], box[0]), np.minimum(boxes[:, 1], box[1])
    common = (high - low).clip(0).prod(-1)
    union = (boxes[:, 1] - boxes[:, 0]).prod(-1) + (box[1] - box[0]).prod(-1) - common
    return common / union


def _moved(detection: Detection, affine: np.ndarray) -> Detection:
    """The same face in another picture; the box stays upright there."""
    corners = apply(affine, detection.box)
    box = np.stack([corners.min(0), corners.max(0)])
    return Detection(detection.score, box, apply(affine, detection.keypoints))
