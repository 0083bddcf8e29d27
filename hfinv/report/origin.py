"""Where each part of a picture comes from: the photo, its mirror image, or the generator's guess."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hfinv.camera import Camera, concatenate
from hfinv.errors import HfinvError
from hfinv.geometry import Shape, ShapeConfig, measure_distances, measure_shape
from hfinv.geometry.visibility import VisibilityConfig
from hfinv.geometry.warp import carry
from hfinv.image import shrink
from hfinv.render import Renderable

KINDS = ("seen", "mirrored", "guessed")


@dataclass(frozen=True)
class Origin:
    """What K cameras see of a head, by where it comes from."""

    parts: Tensor
    """[K, 3, h, h] in [0, 1], one channel for each of `KINDS`; they add up to 1 on the head, to 0 beside it."""
    distance: Tensor
    """[K, 1, h, h], along the unit ray, world units; infinite beside the head."""

    def shares(self) -> list[dict[str, float]]:
        """Of what each camera sees of the head, how much is of which kind; [0, 1], one entry a camera."""
        return [_shares(parts[None]) for parts in self.parts]

    def share(self) -> dict[str, float]:
        """The same of all cameras together."""
        return _shares(self.parts)


def _shares(parts: Tensor) -> dict[str, float]:
    sums = parts.double().sum((0, 2, 3))
    return dict(zip(KINDS, (sums / sums.sum().clamp(min=1e-9)).tolist()))


def surface(head: Renderable, config: ShapeConfig | None = None) -> Shape | None:
    """The head's mesh; None if the generator has no solid one, and distances are to be rendered instead."""
    try:
        return measure_shape(head.generator, head.planes, head.w_plus, config)
    except HfinvError:
        return None


@torch.no_grad()
def origins(
    head: Renderable,
    counted: Tensor,
    photo: Camera,
    views: Camera,
    size: int,
    shape: Shape | None,
    config: VisibilityConfig | None = None,
) -> Origin:
    """What of each view the photo saw, what only the photo in a mirror would have seen, and what neither did.

    Visibility is that of `hfinv.geometry.visibility`, which also decides what pseudo views take from the photo.

    Args:
        head: whose surface.
        counted: [1, 1, S, S] in [0, 1], 1 where the photo shows the head.
        photo: its camera.
        views: K cameras.
        size: side of the maps, in pixels.
        shape: the head's mesh; None renders the distances.
        config: when a point counts as seen.
    """
    mirror = photo.mirrored()
    distance = measure_distances(
        head.generator, head.planes, head.w_plus, concatenate([photo, mirror, views]), size, shape
    )
    counted = shrink(counted, size)
    there, solid = distance[2:], distance[2:].isfinite().float()

    def shown(mask: Tensor, camera: Camera, own: Tensor) -> Tensor:
        carried = carry(mask, camera, own, views, there, config)
        return solid * carried.visible * carried.image.clamp(0, 1)

    seen = shown(counted, photo, distance[:1])
    mirrored = (solid - seen) * shown(counted.flip(-1), mirror, distance[1:2])
    return Origin(torch.cat([seen, mirrored, solid - seen - mirrored], 1), there)
