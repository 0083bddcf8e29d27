"""The shape of a synthetic head: hm08's body, eyes and teeth, morphed by the factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hfinv.training.factors import Named, SHAPES
from hfinv.training.surface import Subdivision, subdivision

DATA = Path(__file__).parent / "data"
STEP = 1e-4
"""Decimetres of one unit of the stored fields."""
CENTRE = (0.0, 7.03, 0.50)
"""The model's point, in decimetres, that lies at the world's origin; with SCALE it puts faces where EG3D's are."""
SCALE = 0.225
"""World units of a decimetre."""
LEVELS = 2
"""Midpoint subdivisions of the body."""


@dataclass(frozen=True)
class Base:
    """hm08, as stored."""

    rest: np.ndarray
    """[V, 3], decimetres, y up, z to the viewer; body first."""
    fields: dict[str, np.ndarray]
    """Offsets [V, 3] (shapes: [SHAPES, V, 3]) by name, decimetres."""
    body: int
    """How many of the vertices are body."""
    eyes: tuple[slice, slice]
    """The eyeballs' vertices: the character's left, then right."""
    mouth: slice
    """Teeth and tongue."""
    tongue: int
    """First vertex of the tongue."""
    mouth_faces: np.ndarray
    """[F, 3], indices from the first mouth vertex on."""
    coarse_faces: np.ndarray
    """[F, 3], the body before subdivision."""
    plan: Subdivision
    """Refines the body."""
    scalp: np.ndarray
    """[refined body] in [0, 1], 1 where hair grows."""
    openness: np.ndarray
    """[refined body] in [0, 1], how much of the sky each vertex sees, mouth closed."""
    root_faces: np.ndarray
    """[R] coarse body triangles that hair grows on."""
    root_weights: np.ndarray
    """[R, 3] barycentric."""


@cache
def base() -> Base:
    """The stored head; read once."""
    with np.load(DATA / "hm08.npz") as stored:
        raw = {name: stored[name] for name in stored}
    fields = {
        k: raw[k].astype(np.float32) * STEP
        for k in raw
        if k.startswith(("macro_", "unit_", "shape"))
    }
    ranges = {k.removeprefix("range_"): raw[k].tolist() for k in raw if k.startswith("range_")}
    body, mouth = ranges["body"][1], ranges["teeth"][0]
    faces = raw["faces_body"].astype(np.int64)
    plan = subdivision(faces, body, LEVELS)
    u, v = raw["root_weights"].astype(np.float32).T
    return Base(
        rest=raw["vertices"],
        fields=fields,
        body=body,
        eyes=(slice(*ranges["eye_left"]), slice(*ranges["eye_right"])),
        mouth=slice(mouth, ranges["tongue"][1]),
        tongue=ranges["tongue"][0],
        mouth_faces=np.concatenate([raw["faces_teeth"], raw["faces_tongue"]]).astype(np.int64)
        - mouth,
        coarse_faces=faces,
        plan=plan,
        scalp=raw["scalp"].astype(np.float32) / 255,
        openness=plan.refine(raw["openness"].astype(np.float32) / 255),
        root_faces=raw["root_faces"].astype(np.int64),
        root_weights=np.stack([1 - u - v, u, v], 1),
    )


def morph(factors: Named) -> np.ndarray:
    """[V, 3] decimetres: body, eyes and mouth of the head that the factors describe, eyes where rest has them."""
    head = base()
    vertices = head.rest + head.fields["shape_mean"]
    for name, weight in (macro_weights(factors) | unit_weights(factors)).items():
        if abs(weight) > 1e-4:
            vertices = vertices + np.float32(weight) * head.fields[name]
    shapes = 3 * np.tanh(factors.many("shape", SHAPES) / 3)  # nobody is a cartoon
    vertices += np.tensordot(shapes.astype(np.float32), head.fields["shapes"], 1)
    return vertices - (eye_middle(vertices) - eye_middle(head.rest))


def eye_middle(vertices: np.ndarray) -> np.ndarray:
    """[3]: the point between the eyeballs' centres."""
    left, right = base().eyes
    return (vertices[left].mean(0) + vertices[right].mean(0)) / 2


def to_world(vertices: np.ndarray) -> np.ndarray:
    """Decimetres of the model -> world units."""
    return ((vertices - CENTRE) * SCALE).astype(np.float32)


def macro_weights(factors: Named) -> dict[str, float]:
    """Weights of the multilinear fields: gender x age x (ancestry and weight)."""
    weight = factors.rising("weight", 1.3)
    age = 0.85 * factors.age  # the model's 90 is a caricature
    thin, full = max(0.0, 1 - 2 * weight), max(0.0, 2 * weight - 1)
    builds = {"minweight": thin, "averageweight": 1 - thin - full, "maxweight": full}
    kinds = dict(zip(("african", "asian", "caucasian"), factors.ancestry)) | builds
    weights = {
        f"macro_{kind}_{sex}_{years}": part * share * time
        for sex, share in (("female", 1 - factors.male), ("male", factors.male))
        for years, time in (("young", 1 - age), ("old", age))
        for kind, part in kinds.items()
    }
    fat, old = 0.9 * np.tanh(0.7 * factors["weight"]), 0.6 * np.tanh(factors["age"])
    for name, value in (("fat", fat), ("age", old)):
        weights[f"macro_head_{name}_incr"] = max(0.0, value)
        weights[f"macro_head_{name}_decr"] = max(0.0, -value)
    return weights


def unit_weights(factors: Named) -> dict[str, float]:
    """Weights of the expression fields; at z = 0 a calm face with closed lips."""
    opened = factors.rising("jaw_open", 2.2, 1.7)
    smile = factors.rising("smile", 1.5, 0.5)
    return {
        "unit_smile": 1.0 * smile,
        "unit_jaw_open": 0.5 * opened + 0.12 * smile**3,
        "unit_blink": 0.06 + 0.85 * factors.rising("blink", 3.5, 0.86),
        "unit_brow_up": 1.4 * factors.rising("brow_up", 1.5, 0.9),
        "unit_brow_down": 1.1 * factors.rising("brow_down", 2.4, 1.5),
        "unit_frown": 1.1 * factors.rising("frown", 2.2, 1.5),
        "unit_pucker": 1.1 * factors.rising("pucker", 1.8, 1.5),
        "unit_squint": 0.9 * factors.rising("squint", 2.2, 1.5),
    }
