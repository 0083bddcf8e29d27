"""The formats that a mesh is written in, by the ending of the file's name. All are in metres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hfinv.errors import UsageError
from hfinv.export import gltf
from hfinv.export.mesh import Mesh
from hfinv.image import save_png, written_aside

if TYPE_CHECKING:
    from hfinv.export import ExportConfig

Writer = Callable[[Path, Mesh, bool], list[Path]]


def writer(path: Path) -> Writer:
    """Who writes such a file: called with the path, the mesh, and whether it is lit; gives the files written.

    Raises:
        UsageError: there is no such format.
    """
    kind = path.suffix.lower()
    if kind not in WRITERS:
        known = ", ".join(WRITERS)
        raise UsageError(f"`{path}` has no ending of a mesh", f"choose one of {known}")
    return WRITERS[kind]


def fitting(path: Path, config: ExportConfig) -> ExportConfig:
    """The settings with what the format cannot hold left out: textures of PLY and STL."""
    return replace(config, texture=0) if path.suffix.lower() in (".ply", ".stl") else config


def save_obj(path: Path, mesh: Mesh, lit: bool) -> list[Path]:
    """Write a Wavefront OBJ, and beside it the material and the texture; colours at vertices follow the positions."""
    stem = path.stem
    rows = mesh.in_metres().vertices
    if mesh.colours is not None:
        rows = np.concatenate([rows, mesh.colours], 1)
    written, lines = [path], [f"# {stem}, in metres", f"o {stem}"]
    if mesh.texture is not None:
        material, texture = path.with_suffix(".mtl"), path.with_suffix(".png")
        save_png(texture, mesh.texture)
        with written_aside(material) as aside:
            aside.write_text(_material(texture.name, lit), encoding="utf-8")
        written += [material, texture]
        lines += [f"mtllib {material.name}", "usemtl head"]
    lines += _rows("v", rows)
    lines += _rows("vn", mesh.normals)
    one = mesh.faces + 1
    if mesh.uv is not None:
        lines += _rows("vt", np.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], 1))
        lines += [f"f {a}/{a}/{a} {b}/{b}/{b} {c}/{c}/{c}" for a, b, c in one.tolist()]
    else:
        lines += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in one.tolist()]
    with written_aside(path) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return written


def save_ply(path: Path, mesh: Mesh, lit: bool) -> list[Path]:
    """Write a binary PLY; its colours are sRGB-coded, as its readers take them."""
    columns = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    columns += [(name, "u1") for name in ("red", "green", "blue")]
    rows = np.zeros(len(mesh.vertices), columns)
    values = np.concatenate([mesh.in_metres().vertices, mesh.normals], 1)
    for k, (name, _) in enumerate(columns[:6]):
        rows[name] = values[:, k]
    for k, (name, _) in enumerate(columns[6:]):
        rows[name] = np.rint(255 * mesh.colours[:, k])
    triangles = np.zeros(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, mesh.faces
    header = ["ply", "format binary_little_endian 1.0", "comment metres"]
    header += [f"element vertex {len(rows)}"]
    header += [f"property {'float' if k < 6 else 'uchar'} {n}" for k, (n, _) in enumerate(columns)]
    header += [f"element face {len(triangles)}", "property list uchar int vertex_indices"]
    text = "\n".join([*header, "end_header", ""])
    with written_aside(path) as aside:
        aside.write_bytes(text.encode() + rows.tobytes() + triangles.tobytes())
    return [path]


def save_stl(path: Path, mesh: Mesh, lit: bool) -> list[Path]:
    """Write a binary STL: the shape alone. It is in metres, as the others are; slicers may ask for millimetres."""
    corners = mesh.in_metres().vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-20)
    rows = np.zeros(len(corners), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("", "<u2")])
    rows["normal"], rows["corners"] = normals, corners
    with written_aside(path) as aside:
        count = np.array([len(rows)], "<u4")
        aside.write_bytes(b"hfinv, metres".ljust(80) + count.tobytes() + rows.tobytes())
    return [path]


def _material(texture: str, lit: bool) -> str:
    """A material library; illumination model 0 shows colours as they are."""
    model = "illum 1" if lit else "illum 0"
    return f"newmtl head\n{model}\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nmap_Kd {texture}\n"


def _rows(word: str, values: np.ndarray) -> list[str]:
    return [" ".join([word, *(f"{x:.6g}" for x in row)]) for row in values.tolist()]


WRITERS: dict[str, Writer] = {
    ".glb": gltf.save,
    ".obj": save_obj,
    ".ply": save_ply,
    ".stl": save_stl,
}
"""By ending."""
