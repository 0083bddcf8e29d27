"""The surface that is exported: smooth where the head is, closed or cut below the neck, of few triangles."""

from __future__ import annotations

from dataclasses import replace

import fast_simplification
import numpy as np
from scipy import ndimage

from hfinv.export.mesh import Shape
from hfinv.export.smooth import smoothed
from hfinv.export.solid import closed
from hfinv.generators.base import Card
from hfinv.geometry.density import density_grid, surface_level
from hfinv.geometry.surface import extract
from hfinv.render import Renderable

BLUR = 0.7
"""Standard deviation, in grid cells, of the blur that closes pinholes before the surface is read off."""


def bust(head: Renderable, grid: int, faces: int, watertight: bool) -> Shape:
    """The head's surface down to the lowest that its generator was ever shown.

    Args:
        head: which.
        grid: points of the density grid along one side of the box.
        faces: about how many triangles are kept; 0 keeps all.
        watertight: a flat lid closes the cut, and every edge has two triangles; otherwise the cut is open.

    Raises:
        HfinvError: nothing solid is there, or it could not be closed.
    """
    generator, box = head.generator, head.generator.card.box
    level = surface_level(generator, head.planes, head.w_plus)
    density = density_grid(generator, head.planes, grid, level)
    cut = lowest(generator.card)
    vertices, triangles = extract(cut_below(softened(density, level), cut, box), 0.0, box)
    shape = smoothed(Shape(vertices.numpy(), triangles.numpy()))
    if faces and len(shape.faces) > faces:
        shape = thinned(shape, faces)
    shape = closed(shape)
    return shape if watertight else without_lid(shape, cut, 1.5 * box / grid)


def lowest(card: Card) -> float:
    """The lowest height that the generator's training cameras saw a quarter of the box behind the origin, world units."""
    return max(-card.box / 2, card.pivot[1] - (card.radius + card.box / 4) * 0.5 / card.focal)


def softened(density: np.ndarray, level: float) -> np.ndarray:
    """How far inside each point is, [n, n, n] in [-1, 1]: 0 at the level, whatever scale the density has."""
    scale = max(float(np.std(density)), 1e-6)
    return ndimage.gaussian_filter(np.tanh((density - level) / scale), BLUR, mode="nearest")


def cut_below(inside: np.ndarray, height: float, box: float) -> np.ndarray:
    """The same with nothing below a height: what is inside is both above it and inside before."""
    cell = box / (len(inside) - 1)
    above = (box * np.linspace(-0.5, 0.5, len(inside)) - height) / cell
    return np.minimum(inside, above[None, :, None].clip(-1, 1)).astype(np.float32)


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
