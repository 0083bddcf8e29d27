"""The pictures that a head's surface is coloured from: the photo, and the generator's from all around."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv import render
from hfinv.camera import Camera, look_at
from hfinv.editing import root_of
from hfinv.errors import HfinvError
from hfinv.head import Head
from hfinv.intake import Face
from hfinv.progress import Progress, Step, ignore
from hfinv.run import Run
from hfinv.tuning import Tuned

AROUND = (0, 45, -45, 90, -90, 135, -135, 180)
"""Yaws of the generator's pictures at eye level, degrees."""
ABOVE = (0, 120, -120)
"""Yaws of those from above, degrees."""
HIGH, LOW = 45, -30
"""Pitches of the pictures from above and of the one from below, degrees."""
RIM = 0.012
"""Of the picture's side: how far inside the head's outline its colours are free of what is behind."""


@dataclass(frozen=True)
class Picture:
    """One picture of the head."""

    image: Tensor
    """[1, 3, S, S] in [-1, 1]."""
    outline: Tensor
    """[1, 1, S, S] in [0, 1], 1 on the head."""
    camera: Camera

    @property
    def inside(self) -> Tensor:
        """[1, 1, S, S] in [0, 1], 0 at the outline and rising to 1 twice `RIM` within it."""
        size = self.outline.shape[-1]
        width = max(1, round(RIM * size))
        shrunk = -F.max_pool2d(-(self.outline > 0.9).float(), 2 * width + 1, 1, width)
        soft = F.avg_pool2d(shrunk, 2 * width + 1, 1, width, count_include_pad=False)
        return shrunk * (2 * soft - 1).clamp(0, 1)


@dataclass(frozen=True)
class Pictures:
    """All that is known of how the head looks."""

    photo: Picture | None
    drawn: tuple[Picture, ...]
    """By the generator."""


def photo_of(head: Head) -> Face | None:
    """The photo that shows this very head, with what was painted on it; None if the head's latent was changed since, or
    it keeps no run."""
    try:
        run = Run.open(root_of(head.run))
        face, tuned = run.load("intake", Face), run.load("tuning", Tuned)
    except HfinvError:
        return None
    if not torch.equal(tuned.w_plus.cpu().float(), head.w_plus.cpu().float()):
        return None
    if head.paint is None:
        return face
    colour, mask = head.paint.colour.cpu().float(), head.paint.mask.cpu().float()
    return replace(face, photo=face.photo + mask * (colour - face.photo))


def cameras_around(head: Head) -> dict[str, Camera]:
    """The cameras of the generator's pictures, by name; the whole head is in the frame of each."""
    angles = [(yaw, 0) for yaw in AROUND] + [(yaw, HIGH) for yaw in ABOVE] + [(0, LOW)]
    card = head.generator.card
    return {
        f"yaw{yaw:+04d}_pitch{pitch:+03d}": look_at(
            math.radians(yaw), math.radians(pitch), card.radius, (0.0, 0.0, 0.0), card.focal
        )
        for yaw, pitch in angles
    }


def pictures(head: Head, face: Face | None, progress: Progress = ignore) -> Pictures:
    """What the photo and the generator show of a head.

    Args:
        head: which.
        face: the photo, taken by `head.camera`; may be None.
        progress: hears of each picture.
    """
    around = list(cameras_around(head).values())
    drawn = []
    for index, camera in enumerate(around, start=1):
        seen = render.view(head, camera, render.RenderConfig(background=0.0))
        drawn.append(Picture(seen.image.cpu().float(), seen.alpha.cpu().float(), camera))
        progress(Step("look", index, len(around)))
    photo = None
    if face is not None:
        person = (face.foreground * face.seen).cpu().float()
        photo = Picture(face.photo.cpu().float(), person, head.camera.to("cpu").detach())
    return Pictures(photo, tuple(drawn))
