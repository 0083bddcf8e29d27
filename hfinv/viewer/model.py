"""The head that is shown: its edits, its pictures, and the camera of somebody who looks."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.editing import title
from hfinv.errors import UsageError
from hfinv.generators.base import Card
from hfinv.generators.directions import Directions, directions
from hfinv.head import Head
from hfinv.image import to_bytes

MOVING_RAYS = 40
"""Rays along one side of a picture while the camera moves."""
BACKGROUND = 1.0
"""Grey level behind the head, as the page's own."""


class Watched(Protocol):
    """The camera of somebody who looks, as viser tells it: OpenCV axes, world frame."""

    wxyz: np.ndarray
    """[4], the rotation as a quaternion, camera to world."""
    position: np.ndarray
    """[3], where it stands."""
    fov: float
    """Vertical, radians."""
    aspect: float
    """Width over height of the window."""


def camera_of(watched: Watched, card: Card) -> Camera:
    """The camera that shows what somebody looks at.

    Generators know heads from one distance. Going near or far therefore slides the camera back to that distance
    along its own axis, and zooms instead.

    Args:
        watched: where they stand.
        card: of the generator.
    """
    w, x, y, z = (float(part) for part in watched.wxyz)
    turn = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    place = torch.as_tensor(np.asarray(watched.position)).float()
    forward, pivot = turn[:, 2], torch.tensor(card.pivot).float()
    along = float(place @ forward)
    reach = along**2 - float(place @ place) + card.radius**2  # < 0: the axis misses the sphere
    slid = place - (along + math.sqrt(max(reach, 0.0))) * forward
    near = max(float((pivot - place) @ forward), 0.05)
    zoom = max(float((pivot - slid) @ forward), 0.05) / near
    focal = zoom * 0.5 / math.tan(float(watched.fov) / 2)
    cam2world = torch.eye(4)
    cam2world[:3, :3], cam2world[:3, 3] = turn, slid
    intrinsics = torch.tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]])
    return Camera(cam2world[None], intrinsics[None])


def widened(pixels: np.ndarray, aspect: float) -> np.ndarray:
    """A square picture in the middle of a window: white at its sides, or its sides cut off.

    Args:
        pixels: uint8 [H, H, 3].
        aspect: width over height of the window.

    Returns:
        uint8 [H, about aspect * H, 3].
    """
    size = len(pixels)
    width = max(1, round(size * min(max(aspect, 0.1), 10.0)))
    if width <= size:
        start = (size - width) // 2
        return pixels[:, start : start + width]
    side = (width - size) // 2
    level = round((BACKGROUND + 1) * 127.5)
    sides = ((0, 0), (side, width - size - side), (0, 0))
    return np.pad(pixels, sides, constant_values=level)


class Model:
    """A head with its edits; draws itself. One thread draws, others may change the edits."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.amounts: dict[str, float] = {}
        """Standard deviations by name; 0 is not kept."""
        try:
            self.directions: Directions | None = directions(head.generator)
        except UsageError:  # a generator without labels can be turned, not edited
            self.directions = None
        self._drawn: tuple[dict[str, float], Head] = ({}, head)

    def change(self, name: str, amount: float) -> None:
        """Set one edit."""
        kept = {key: value for key, value in self.amounts.items() if key != name}
        self.amounts = {**kept, name: amount} if amount else kept

    def command(self) -> str:
        """What to type to keep the edits; nothing if there are none."""
        if not self.amounts:
            return ""
        return shlex.join(["hfinv", "edit", str(self.head.run), "--attr", title(self.amounts)])

    @torch.no_grad()
    def edited(self) -> Head:
        """The head with the edits of this moment."""
        amounts, (known, head) = self.amounts, self._drawn
        if amounts != known and self.directions is not None:
            w_plus: Tensor = self.head.w_plus
            for name, amount in amounts.items():
                w_plus = w_plus + self.directions.along(name, amount).to(w_plus)
            head = replace(self.head, w_plus=w_plus, planes=self.head.generator.planes(w_plus))
            self._drawn = (amounts, head)
        return self._drawn[1]

    @torch.no_grad()
    def draw(self, camera: Camera, moving: bool) -> np.ndarray:
        """A picture, uint8 [H, H, 3].

        Args:
            camera: one.
            moving: quick and coarse.
        """
        head = self.edited()
        camera = camera.to(head.planes.device)
        how: dict[str, Any] = {"size": MOVING_RAYS, "superresolve": False} if moving else {}
        seen = head.generator.render(head.planes, head.w_plus, camera, background=BACKGROUND, **how)
        return to_bytes(seen.image)
