"""Colours for a surface, from pictures of it.

Each point takes the pictures that saw it, those most that looked straight at it. Where the photo saw it well it takes
the photo. What the photo says of brightness and tint is carried on over the rest of the surface, fading out, so that
photo and generator meet without a seam (a membrane, as in Perez et al. 2003). What nothing saw takes its neighbours'
colours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.fill import filled
from hfinv.export.mesh import Mesh, Shape
from hfinv.export.sources import Picture, Pictures
from hfinv.export.unwrap import Sheet
from hfinv.geometry.raster import NOTHING, rasterise
from hfinv.geometry.visibility import VisibilityConfig, visible

SIZE = 320
"""Side of the distance maps that tell what a picture saw."""
STRAIGHT = 6
"""Power of the cosine between ray and normal by which the generator's pictures count."""
PHOTO_DEG = (62.0, 82.0)
"""Angles between ray and normal from which on the photo fades out, and at which it is gone."""
FEATHER = 6
"""Rounds of averaging over a vertex's neighbours that soften where pictures end."""
REACH = 12.0
"""Triangle edges over which the photo's brightness and tint fade out."""
STIFF = 0.1
"""How strongly neighbours resemble each other beside what is known of them, in `Graph.carried`."""
FAINT = 0.02
"""Weight of the neighbours' colours, which win only where no picture has any."""
LEAST = 0.03
"""Pictures that count for less than so much of the best one are not looked at."""
CHUNK = 1 << 18
"""Points painted at once, which bounds the memory."""


@dataclass(frozen=True)
class Paint:
    """How to colour any point of a surface; what stands at its V vertices is linear between them."""

    vertices: np.ndarray
    """[V, 3], world units."""
    drawn: tuple[Picture, ...]
    """K pictures by the generator."""
    weights: np.ndarray
    """[V, K], how much each of them counts."""
    photo: Picture | None
    share: np.ndarray
    """[V] in [0, 1], how much of the colour is the photo's."""
    shift: np.ndarray
    """[V, 3], what is added to the generator's colours so that they meet the photo's; in the range of pictures."""
    filling: np.ndarray
    """[V, 3] in [-1, 1], colours for where nothing saw."""

    @classmethod
    def of(cls, shape: Shape, pictures: Pictures) -> Paint:
        """Ask each picture what it saw of a surface."""
        vertices, graph = shape.vertices, Graph.of(shape)
        weights = np.stack([drawn_weight(shape, graph, one) for one in pictures.drawn], 1)
        total = weights.sum(1, keepdims=True)
        mean = sum(
            weights[:, k : k + 1] * colours_at(one, vertices)
            for k, one in enumerate(pictures.drawn)
        ) / total.clip(1e-9)
        filling = graph.carried(mean, np.minimum(total[:, 0] / FAINT, 1), fade=1e-6)
        share, shift = np.zeros(len(vertices)), np.zeros_like(mean)
        if pictures.photo is not None:
            share = photo_share(shape, graph, pictures.photo)
            own = (total * mean + FAINT * filling) / (total + FAINT)
            # Brightness and tint only: no single hair's is carried on.
            soft = replace(pictures.photo, image=blurred(pictures.photo))
            shift = graph.carried(colours_at(soft, vertices) - own, share, fade=REACH**-2)
        whole = (vertices, pictures.drawn, weights, pictures.photo, share, shift, filling)
        return cls(*(x.astype(np.float32) if isinstance(x, np.ndarray) else x for x in whole))

    def colours(self, corners: np.ndarray, barycentric: np.ndarray) -> np.ndarray:
        """Colours of points on the surface, [N, 3] float32 in [0, 1], sRGB-coded.

        Args:
            corners: [N, 3], the vertices of each point's triangle.
            barycentric: [N, 3], the point's weights of these.
        """

        def between(values: np.ndarray) -> np.ndarray:
            return np.einsum("nk,nkc->nc", barycentric, values[corners])

        points, weights = between(self.vertices), between(self.weights)
        colour, total = FAINT * between(self.filling), np.full((len(points), 1), FAINT)
        least = LEAST * weights.max(1)
        for weight, picture in zip(weights.T[..., None], self.drawn):
            some = weight[:, 0] > least
            colour[some] += weight[some] * colours_at(picture, points[some])
            total[some] += weight[some]
        colour = colour / total + between(self.shift)
        if self.photo is not None:
            share = between(self.share[:, None])
            some = share[:, 0] > 1e-3
            there = colours_at(self.photo, points[some])
            colour[some] += share[some] * (there - colour[some])
        return ((colour + 1) / 2).clip(0, 1).astype(np.float32)


@dataclass(frozen=True)
class Graph:
    """V vertices and the triangle edges between them."""

    mean: scipy.sparse.csr_matrix
    """[V, V], the average over a vertex's neighbours and itself."""
    stiffness: scipy.sparse.csc_matrix
    """[V, V], the graph's Laplacian."""

    @classmethod
    def of(cls, shape: Shape) -> Graph:
        """The graph of a surface."""
        count, faces = len(shape.vertices), shape.faces
        ends = np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2)
        ends = np.unique(np.sort(ends, 1), axis=0)
        one, two = np.concatenate([ends, ends[:, ::-1]]).T
        links = scipy.sparse.coo_matrix((np.ones(len(one)), (one, two)), (count, count)).tocsr()
        degree = np.asarray(links.sum(1)).ravel()
        mean = scipy.sparse.diags(1 / (degree + 1)) @ (links + scipy.sparse.identity(count))
        return cls(mean.tocsr(), (scipy.sparse.diags(degree) - links).tocsc())

    def feathered(self, seen: np.ndarray) -> np.ndarray:
        """[V] in [0, 1] -> the same, falling to 0 softly and nowhere larger."""
        soft = seen
        for _ in range(FEATHER):
            soft = self.mean @ soft
        return seen * (2 * soft - 1).clip(0, 1)

    def carried(self, values: np.ndarray, trust: np.ndarray, fade: float) -> np.ndarray:
        """Values [V, C] kept where they are trusted, [V] in [0, 1], and carried on smoothly elsewhere.

        Args:
            values: anything where the trust is 0.
            trust: of each vertex.
            fade: pull towards 0 where nothing is known; its inverse root is the reach in edges.
        """
        pull = scipy.sparse.diags(trust + STIFF * fade, format="csc")
        solve = scipy.sparse.linalg.factorized(pull + STIFF * self.stiffness)
        known = trust[:, None] * values
        return np.stack([solve(known[:, k]) for k in range(values.shape[1])], 1)


def coloured(shape: Shape, sheet: Sheet | None, paint: Paint) -> Mesh:
    """The painted surface.

    Args:
        shape: the surface.
        sheet: its patches, which get a texture; None colours the vertices.
        paint: the colours.
    """
    normals = shape.normals()
    if sheet is None:
        corners = np.repeat(np.arange(len(shape.vertices))[:, None], 3, 1)
        first = np.tile(np.float32([1, 0, 0]), (len(corners), 1))
        colours = paint.colours(corners, first)
        return Mesh(shape.vertices, shape.faces, normals, colours=colours)
    face, barycentric = sheet.pixels()
    shown = face != NOTHING
    texture = np.zeros((*face.shape, 3), np.float32)
    where = np.flatnonzero(shown)
    for part in np.array_split(where, -(-len(where) // CHUNK)):
        corners = shape.faces[face.ravel()[part]]
        texture.reshape(-1, 3)[part] = paint.colours(corners, barycentric.reshape(-1, 3)[part])
    texture = np.rint(255 * filled(texture, shown)).astype(np.uint8)
    place = sheet.origin
    return Mesh(shape.vertices[place], sheet.faces, normals[place], uv=sheet.uv, texture=texture)


def drawn_weight(shape: Shape, graph: Graph, picture: Picture) -> np.ndarray:
    """How much a picture by the generator counts at each vertex, [V] in [0, 1]."""
    seen, cosine = saw(shape, picture)
    return graph.feathered(seen) * cosine**STRAIGHT


def photo_share(shape: Shape, graph: Graph, picture: Picture) -> np.ndarray:
    """How much of each vertex's colour is the photo's, [V] in [0, 1]."""
    seen, cosine = saw(shape, picture)
    straight, grazing = np.cos(np.radians(PHOTO_DEG))
    facing = ((cosine - grazing) / (straight - grazing)).clip(0, 1)
    return graph.feathered(seen * facing)


def saw(shape: Shape, picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    """How much of each vertex a picture shows, and the cosine between its ray and the normal, [V] in [0, 1] each."""
    vertices, faces = torch.from_numpy(shape.vertices), torch.from_numpy(shape.faces)
    normals = torch.from_numpy(shape.normals())
    distance = rasterise(vertices, faces, picture.camera, SIZE, "embree").distance
    trust = visible(
        vertices[None], picture.camera, distance[:, None], VisibilityConfig(), normals[None]
    )[0, :, 0]
    inside = sampled(picture.inside, picture.camera, vertices, "bilinear")[:, 0]
    way = F.normalize(picture.camera.centre - vertices, dim=-1)
    cosine = (way * normals).sum(-1).clamp(0, 1)
    return (trust * inside).double().numpy(), cosine.double().numpy()


def colours_at(picture: Picture, points: np.ndarray) -> np.ndarray:
    """What a picture shows where points [N, 3] project to, [N, 3] in [-1, 1]; beyond its border, the border."""
    there = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float32))
    return sampled(picture.image, picture.camera, there, "bicubic").clamp(-1, 1).numpy()


def sampled(
    image: Tensor, camera: Camera, points: Tensor, mode: Literal["bilinear", "bicubic"]
) -> Tensor:
    """Values of an image [1, C, S, S] where world points [N, 3] project to, [N, C]."""
    pixels, _ = camera.project(points[None])
    grid = (2 * pixels - 1)[:, None]  # [1, 1, N, 2]
    values = F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=False)
    return values[0, :, 0].T


def blurred(picture: Picture) -> Tensor:
    """A picture's image without its details, and without what is behind the head, [1, 3, S, S]."""
    image, inside = picture.image, picture.inside
    width = max(1, image.shape[-1] // 64)
    both = torch.cat([image * inside, inside], 1)
    for _ in range(2):
        both = F.avg_pool2d(both, 2 * width + 1, 1, width, count_include_pad=False)
    return torch.where(both[:, 3:] > 1e-3, both[:, :3] / both[:, 3:].clamp(min=1e-3), image)
