"""Synthetic heads: a vector of labelled factors becomes a lit triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from hfinv.training.extras import covering, covering_colour, frame_colour, glasses, worn
from hfinv.training.eyes import eyeballs
from hfinv.training.facial import beard, brows, lashes
from hfinv.training.factors import Named
from hfinv.training.hair import TRAINING_SEED, Style, drawn, grow, growth, style_of
from hfinv.training.light import Light, light_of, to_srgb
from hfinv.training.morph import base, morph, to_world
from hfinv.training.scene import Scene
from hfinv.training.shade import Density, density, sun_seen
from hfinv.training.skin import (
    CLOTH_OFFSET,
    body_albedo,
    clothed,
    hair_colour,
    ramp,
)
from hfinv.training.strands import unit
from hfinv.training.surface import vertex_normals

BODY, EYE, MOUTH, HAIR, CLOTH, GLASSES = range(6)
"""Values of `HeadMesh.part`."""


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
    """[V] uint8: BODY (with its short hair), EYE, MOUTH, HAIR, CLOTH or GLASSES."""


@dataclass(frozen=True)
class Piece:
    """One part of the head before light; decimetres."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    albedo: np.ndarray
    part: np.ndarray | int
    open_: np.ndarray
    """[V], how much of the sky is seen past the body."""
    shine: np.ndarray | float = 0.0
    """[V], how strong the sun's highlight is, as seen from the front."""


@dataclass(frozen=True)
class Drawn:
    """One part of the head in final linear light; decimetres."""

    vertices: np.ndarray
    faces: np.ndarray
    linear: np.ndarray
    part: np.ndarray | int
    light: np.ndarray | None = None
    """[V, 3] what falls on the surface."""


def build_head(z: np.ndarray, skin: str | None = None, hair_seed: int = TRAINING_SEED) -> HeadMesh:
    """The head that z describes; the same arguments always give the same head.

    Args:
        z: [Z], one N(0, 1) number per entry of `FACTORS`.
        skin: one of `held_out_skins()`, worn instead of the skin that z describes.
        hair_seed: another number places and bends the strands anew, as no training head has them.

    Raises:
        KeyError: `skin` is no held-out skin.
    """
    factors = Named(z)
    vertices = morph(factors)
    light = light_of(factors)
    style = style_of(factors, worn(factors, "covering"), hair_seed)
    locks, chosen = grow(vertices[: base().body], style)
    field = density(locks, np.linalg.norm(np.diff(locks, axis=1), axis=2).sum(1))
    pieces = [body_piece(vertices, factors, style, skin), eye_piece(vertices, factors)]
    pieces += [mouth_piece(vertices), *extra_pieces(vertices, factors)]
    drawn_pieces = lit(pieces, light, field, vertices)
    drawn_pieces += short_hair(pieces[0], drawn_pieces[0], factors)
    hair = drawn(locks, chosen, style, hair_colour(factors), light, field)
    return joined([*drawn_pieces, Drawn(hair.vertices, hair.faces, hair.colours, HAIR)])


def body_piece(vertices: np.ndarray, factors: Named, style: Style, skin: str | None) -> Piece:
    """Skin and shirt."""
    head = base()
    cloth = clothed(factors)
    covered = head.scalp * growth(fine_rest(), style)
    coarse = vertices[: head.body]
    fine = head.plan.refine(coarse)
    out = vertex_normals(fine, head.plan.faces)
    fine = fine + out * (CLOTH_OFFSET * cloth)[:, None]
    shade = 0.35 + 0.65 * np.minimum(1.25 * head.openness, 1)
    albedo = body_albedo(factors, covered, skin)
    return Piece(
        fine,
        head.plan.faces,
        out,
        albedo,
        np.where(cloth > 0.5, CLOTH, BODY),
        shade,
        0.05 * (1 - cloth),
    )


@cache
def fine_rest() -> np.ndarray:
    """[V, 3]: the refined body at rest."""
    head = base()
    return head.plan.refine(head.rest[: head.body])


def eye_piece(vertices: np.ndarray, factors: Named) -> Piece:
    """Eyeballs."""
    points, faces, normals, albedo = eyeballs(vertices, factors)
    return Piece(points, faces, normals, albedo, EYE, np.ones(len(points)), 0.1)


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
    return Piece(points, head.mouth_faces, normals, albedo, MOUTH, np.ones(len(points)))


def extra_pieces(vertices: np.ndarray, factors: Named) -> list[Piece]:
    """Glasses and a head covering, where worn."""
    pieces = []
    for mesh, colour, part, shine in (
        (glasses(vertices, factors), frame_colour(factors), GLASSES, 0.25),
        (covering(vertices, factors), covering_colour(factors), CLOTH, 0.0),
    ):
        if mesh is not None:
            points, faces, normals = mesh
            albedo = np.broadcast_to(colour, points.shape)
            pieces.append(
                Piece(points, faces, normals, albedo, part, np.full(len(points), 0.9), shine)
            )
    return pieces


def short_hair(skin: Piece, seen: Drawn, factors: Named) -> list[Drawn]:
    """Beard, brows and lashes on the lit skin."""
    falls = seen.light
    fine, normals = skin.vertices, skin.normals
    hair = hair_colour(factors)
    parts = [
        beard(fine, normals, falls * (0.8 * hair), seen.linear, factors),
        brows(fine, normals, falls * (0.5 * hair), seen.linear, factors),
        lashes(fine, factors),
    ]
    return [Drawn(part.vertices, part.faces, part.colours, BODY) for part in parts]


def lit(pieces: list[Piece], light: Light, field: Density, vertices: np.ndarray) -> list[Drawn]:
    """The pieces in final linear light, with the shadows of body and hair."""
    head = base()
    cast = [(vertices[: head.body], head.coarse_faces)]
    cast += [
        (piece.vertices, piece.faces)
        for piece in pieces
        if not isinstance(piece.part, np.ndarray) and piece.part == CLOTH
    ]
    scene = occluder(cast)
    sun = light.towards.astype(np.float32)
    drawn_pieces = []
    for piece in pieces:
        points, normals = piece.vertices.astype(np.float32), piece.normals.astype(np.float32)
        sunny = np.clip(normals @ sun, 0, None)
        if not (isinstance(piece.part, int) and piece.part in (EYE, GLASSES)):
            sunny = sunny * sun_seen(scene, points, normals, sun)
        lifted = points + 0.03 * normals
        sunny = sunny * field.light(lifted, sun)
        up = unit(normals + np.array([0, 0.5, 0], np.float32))
        open_ = piece.open_ * (0.3 + 0.7 * field.light(lifted, up))
        falls = light.on(normals, open_, sunny)
        linear = piece.albedo * falls
        half = unit(sun + np.array([0, 0, 1], np.float32))
        shine = sunny * np.clip(normals @ half, 0, None) ** 14 * piece.shine
        linear = linear + shine[:, None] * light.sun.astype(np.float32)
        drawn_pieces.append(Drawn(points, piece.faces, linear, piece.part, falls))
    return drawn_pieces


def occluder(meshes: list[tuple[np.ndarray, np.ndarray]]) -> Scene:
    """Several meshes, vertices [V, 3] and faces [F, 3] each, to cast shadows."""
    starts = np.cumsum([0] + [len(points) for points, _ in meshes[:-1]])
    return Scene(
        np.concatenate([points for points, _ in meshes]),
        np.concatenate([faces + start for (_, faces), start in zip(meshes, starts)]),
    )


def joined(pieces: list[Drawn]) -> HeadMesh:
    """All pieces in one mesh."""
    starts = np.cumsum([0] + [len(piece.vertices) for piece in pieces[:-1]])
    return HeadMesh(
        vertices=to_world(np.concatenate([piece.vertices for piece in pieces])),
        faces=np.concatenate([piece.faces + start for piece, start in zip(pieces, starts)]).astype(
            np.int32
        ),
        colours=to_srgb(np.concatenate([piece.linear for piece in pieces]).astype(np.float32)),
        part=np.concatenate(
            [np.broadcast_to(p.part, len(p.vertices)).astype(np.uint8) for p in pieces]
        ),
    )
