"""Synthetic heads: a vector of labelled factors becomes a lit triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from hfinv.training.eyes import eyeballs
from hfinv.training.factors import Named
from hfinv.training.hair import draw_locks, grow, growth, style_of
from hfinv.training.light import irradiance, light_coefficients, to_srgb
from hfinv.training.morph import base, morph, to_world
from hfinv.training.skin import (
    CLOTH_OFFSET,
    beard_amount,
    body_albedo,
    clothed,
    hair_colour,
    ramp,
    zones,
)
from hfinv.training.surface import vertex_normals

BODY, EYE, MOUTH, HAIR, CLOTH = range(5)
"""Values of `HeadMesh.part`."""
BEARD_OFFSET = 0.035
"""Decimetres that a full beard stands off the skin."""


@dataclass(frozen=True)
class HeadMesh:
    """A head with hair, neck and shirt."""

    vertices: np.ndarray
    """[V, 3] float32, world frame of `hfinv.camera`."""
    faces: np.ndarray
    """[F, 3] int32; hair ribbons show both sides."""
    colours: np.ndarray
    """[V, 3] float32, final lit sRGB in [0, 1]."""
    part: np.ndarray
    """[V] uint8: BODY, EYE, MOUTH, HAIR or CLOTH."""


@dataclass(frozen=True)
class Piece:
    """One part of the head before light; decimetres."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    part: np.ndarray


def build_head(z: np.ndarray) -> HeadMesh:
    """The head that z describes; the same z always gives the same head.

    Args:
        z: [Z], one N(0, 1) number per entry of `FACTORS`.
    """
    factors = Named(z)
    vertices = morph(factors)
    pieces = [body_piece(vertices, factors), eye_piece(vertices, factors), mouth_piece(vertices)]
    pieces.append(hair_piece(vertices, factors))
    return joined(pieces, light_coefficients(factors))


def body_piece(vertices: np.ndarray, factors: Named) -> Piece:
    """Skin and shirt."""
    head = base()
    cloth = clothed(factors)
    covered = head.scalp * growth(fine_rest(), style_of(factors))
    coarse = vertices[: head.body]
    fine = head.plan.refine(coarse)
    out = vertex_normals(fine, head.plan.faces)
    beard = BEARD_OFFSET * beard_amount(factors) * zones().beard
    fine = fine + out * (CLOTH_OFFSET * cloth + beard)[:, None]
    shade = 0.35 + 0.65 * np.minimum(1.25 * head.openness, 1)
    albedo = body_albedo(factors, covered) * shade[:, None]
    return Piece(fine, head.plan.faces, out, albedo, np.where(cloth > 0.5, CLOTH, BODY))


@cache
def fine_rest() -> np.ndarray:
    """[V, 3]: the refined body at rest."""
    head = base()
    return head.plan.refine(head.rest[: head.body])


def eye_piece(vertices: np.ndarray, factors: Named) -> Piece:
    """Eyeballs."""
    points, faces, normals, albedo = eyeballs(vertices, factors)
    return Piece(points, faces, normals, albedo, np.full(len(points), EYE))


def mouth_piece(vertices: np.ndarray) -> Piece:
    """Teeth and tongue, in the mouth's dark."""
    head = base()
    points = vertices[head.mouth]
    albedo = np.where(
        np.arange(len(points))[:, None] < head.tongue - head.mouth.start,
        [0.36, 0.33, 0.28],
        [0.14, 0.04, 0.04],
    )
    depth = ramp(head.rest[head.mouth, 2], 1.05, 1.45)
    albedo = albedo * (0.25 + 0.75 * depth)[:, None]
    normals = vertex_normals(points, head.mouth_faces)
    return Piece(points, head.mouth_faces, normals, albedo, np.full(len(points), MOUTH))


def hair_piece(vertices: np.ndarray, factors: Named) -> Piece:
    """Locks of hair; empty on a bald head."""
    style = style_of(factors)
    points, chosen = grow(vertices[: base().body], style)
    locks = draw_locks(points, chosen, style, hair_colour(factors))
    return Piece(
        locks.vertices, locks.faces, locks.normals, locks.albedo, np.full(len(locks.vertices), HAIR)
    )


def joined(pieces: list[Piece], light: np.ndarray) -> HeadMesh:
    """All pieces in one mesh, lit by SH coefficients [9, 3]."""
    starts = np.cumsum([0] + [len(piece.vertices) for piece in pieces[:-1]])
    normals = np.concatenate([piece.normals for piece in pieces])
    albedo = np.concatenate([piece.albedo for piece in pieces]).astype(np.float32)
    return HeadMesh(
        vertices=to_world(np.concatenate([piece.vertices for piece in pieces])),
        faces=np.concatenate([piece.faces + start for piece, start in zip(pieces, starts)]).astype(
            np.int32
        ),
        colours=to_srgb(albedo * irradiance(light, normals)),
        part=np.concatenate([piece.part for piece in pieces]).astype(np.uint8),
    )
