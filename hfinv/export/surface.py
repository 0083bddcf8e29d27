"""The surface that is exported: smooth where the head is, closed or cut below the neck, of few triangles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import fast_simplification
import numpy as np
import scipy
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import concatenate
from hfinv.export.mesh import Shape
from hfinv.export.smooth import smoothed
from hfinv.export.solid import closed
from hfinv.export.sources import Picture, Pictures
from hfinv.generators.base import Card
from hfinv.geometry.density import density_grid, surface_level
from hfinv.geometry.raster import NOTHING, rasterise
from hfinv.geometry.surface import extract
from hfinv.render import Renderable

BLUR = 0.7
"""Standard deviation, in grid cells, of the blur that closes pinholes before the surface is read off."""
WIDTH = 1.1
"""The bust ends at so many times the distance that training cameras saw to; photos may show a little more."""
COARSE = 80
"""Points of the density grid along one side on which the level is looked for."""
FAINTEST = 5
"""Halvings of the level of what rays from the front measure, down to which it is looked for."""
ALIKE = 0.001
"""Overlaps that differ by less are equally good; the firmer surface wins."""
LOOKS = 5
"""The first so many of the generator's pictures, from ear to ear, show the outline."""
OUTLINE = 128
"""Side of the outlines that are compared, in pixels."""


def bust(head: Renderable, pictures: Pictures, grid: int, faces: int, watertight: bool) -> Shape:
    """The head's surface down to the lowest that its generator was ever shown.

    Args:
        head: which.
        pictures: of it, whose outlines the surface has.
        grid: points of the density grid along one side of the box.
        faces: about how many triangles are kept; 0 keeps all.
        watertight: a flat lid closes the cut, and every edge has two triangles; otherwise the cut is open.

    Raises:
        HfinvError: nothing solid is there, or it could not be closed.
    """
    generator, box = head.generator, head.generator.card.box
    level = outline_level(head, pictures)
    density = density_grid(generator, head.planes, grid, level)
    low, radius = lowest(generator.card), WIDTH * reach(generator.card)
    vertices, triangles = extract(cut(softened(density, level), low, radius, box), 0.0, box)
    shape = smoothed(Shape(vertices.numpy(), triangles.numpy()))
    if faces and len(shape.faces) > faces:
        shape = thinned(shape, faces)
    shape = closed(shape)
    return shape if watertight else without_lid(shape, low, 1.5 * box / grid)


def outline_level(head: Renderable, pictures: Pictures) -> float:
    """The raw density whose surface has the outlines of the pictures.

    Rays that graze hair are opaque long before they meet what a ray from the front calls the surface, so that the level
    of `surface_level` makes heads too thin.

    Args:
        head: which.
        pictures: of it.
    """
    generator = head.generator
    level = surface_level(generator, head.planes, head.w_plus)
    looks = [one for one in (pictures.photo, *pictures.drawn[:LOOKS]) if one is not None]
    # Where the planes hold a background too, everything is opaque, and there is no outline.
    if level <= 0 or generator.card.backdrop == "planes":
        return level
    density = density_grid(generator, head.planes, COARSE, level * 0.5 ** (FAINTEST / 2))
    found: dict[float, float] = {}

    def try_all(halvings: list[float]) -> None:
        for one in halvings:
            vertices, faces = extract(density, level * 0.5**one, generator.card.box)
            found[one] = overlap(vertices, faces, looks)

    try_all([float(one) for one in range(FAINTEST + 1)])
    best = max(found, key=found.get)
    try_all([one for one in (best - 0.5, best + 0.5) if 0 <= one <= FAINTEST])
    most = max(found.values())
    return level * 0.5 ** min(one for one, agreed in found.items() if agreed > most - ALIKE)


def overlap(vertices: Tensor, faces: Tensor, looks: Sequence[Picture]) -> float:
    """Of a surface's outlines and the pictures': the mean of intersection over union, in [0, 1]."""
    cameras = concatenate([one.camera for one in looks])
    covered = rasterise(vertices, faces, cameras, OUTLINE, "embree").face != NOTHING
    shrunk = [F.interpolate(one.outline, (OUTLINE, OUTLINE), mode="area")[0] for one in looks]
    drawn = torch.cat(shrunk) > 0.5
    both, either = ((x.sum((1, 2))) for x in (covered & drawn, covered | drawn))
    return float((both / either.clamp(min=1)).mean())


def reach(card: Card) -> float:
    """How far from the optical axis the generator's training cameras saw, a quarter of the box behind the origin, world
    units; the head stands well within, and shoulders beyond were never shown."""
    return (card.radius + card.box / 4) * 0.5 / card.focal


def lowest(card: Card) -> float:
    """The height at which the bust is cut, world units."""
    return max(-card.box / 2, card.pivot[1] - WIDTH * reach(card))


def softened(density: np.ndarray, level: float) -> np.ndarray:
    """How far inside each point is, [n, n, n] in [-1, 1]: 0 at the level, whatever scale the density has."""
    scale = max(float(np.std(density)), 1e-6)
    return scipy.ndimage.gaussian_filter(np.tanh((density - level) / scale), BLUR, mode="nearest")


def cut(inside: np.ndarray, low: float, radius: float, box: float) -> np.ndarray:
    """The same with nothing below a height, and nothing further than a radius from the y axis.

    Args:
        inside: [n, n, n], above 0 inside, first index x, then y, then z.
        low: the height, world units.
        radius: world units.
        box: side of the grid's box.
    """
    place = box * np.linspace(-0.5, 0.5, len(inside), dtype=np.float32)
    cell = box / (len(inside) - 1)
    above = (place - low) / cell
    within = (radius - np.hypot(place[:, None], place[None, :])) / cell
    inside = np.minimum(inside, above[None, :, None].clip(-1, 1))
    return np.minimum(inside, within[:, None, :].clip(-1, 1))


def thinned(shape: Shape, faces: int) -> Shape:
    """About so many triangles, by quadric error (Garland and Heckbert 1997)."""
    vertices, triangles = fast_simplification.simplify(
        shape.vertices, shape.faces.astype(np.int32), target_count=faces, agg=5
    )
    return Shape(vertices.astype(np.float32), triangles.astype(np.int64))


def without_lid(shape: Shape, height: float, tolerance: float) -> Shape:
    """The surface without the triangles that close it at a height, facing down."""
    low = (shape.vertices[shape.faces][..., 1] < height + tolerance).all(1)
    return kept(shape, ~low) if low.any() and not low.all() else shape


def kept(shape: Shape, which: np.ndarray) -> Shape:
    """Some of the triangles, [F] bool, and the vertices they use."""
    faces = shape.faces[which]
    used, numbered = np.unique(faces, return_inverse=True)
    return replace(shape, vertices=shape.vertices[used], faces=numbered.reshape(-1, 3))
