"""What other programs read of our files; trimesh is the judge."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from export_examples import ball_head, coloured, textured, true_colours

from hfinv.export import ExportConfig, files, gltf, mesh_of
from hfinv.export.mesh import METRES_PER_UNIT, Mesh, linear


def loaded(path: Path, process: bool = False) -> trimesh.Trimesh:
    return trimesh.load(path, force="mesh", process=process)


def document(data: bytes) -> dict:
    magic, version, total, length, kind = struct.unpack("<4sIII4s", data[:20])
    assert (magic, version, total, kind) == (b"glTF", 2, len(data), b"JSON")
    assert data[20 + length + 4 :][:4] == b"BIN\0"
    return json.loads(data[20 : 20 + length])


def colours_read(mesh: trimesh.Trimesh) -> np.ndarray:
    """[V, 3] in [0, 1], what the texture says at the vertices."""
    picture = mesh.visual.material
    picture = getattr(picture, "baseColorTexture", None) or picture.image
    pixels = np.asarray(picture.convert("RGB"))
    # trimesh turns v around when it reads.
    place = np.stack([mesh.visual.uv[:, 0], 1 - mesh.visual.uv[:, 1]], 1) * len(pixels)
    x, y = place.astype(int).clip(0, len(pixels) - 1).T
    return pixels[y, x] / 255


@pytest.mark.parametrize("ending", [".glb", ".obj", ".ply", ".stl"])
def test_every_format_reads_back_as_a_ball_in_metres(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"ball{ending}"
    mesh = coloured() if ending == ".ply" else textured()
    written = files.writer(path)(path, mesh, False)
    assert written[0] == path and all(file.is_file() for file in written)
    assert set(written) == set(tmp_path.iterdir())
    read = loaded(path)
    radius = np.linalg.norm(read.vertices, axis=1)
    assert radius.mean() == pytest.approx(0.25 * METRES_PER_UNIT, rel=0.01)
    assert len(read.faces) == len(mesh.faces)
    welded = loaded(path)
    welded.merge_vertices(merge_tex=True, merge_norm=True)
    assert welded.volume > 0  # counter-clockwise from outside


@pytest.mark.parametrize("ending", [".glb", ".obj"])
def test_the_texture_reads_back_on_the_right_side(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"ball{ending}"
    files.writer(path)(path, textured(), False)
    read = loaded(path)
    true = true_colours(torch.tensor(np.array(read.vertices))).numpy()
    off = np.abs(colours_read(read) - true)
    assert off.mean() < 0.03
    # The ball is red to the right (+x), green above (+y) and blue in front (+z).
    for axis in range(3):
        high = np.argsort(read.vertices[:, axis])[-50:]
        low = np.argsort(read.vertices[:, axis])[:50]
        assert colours_read(read)[high, axis].mean() > colours_read(read)[low, axis].mean() + 0.2


def test_colours_at_vertices_are_linear_light_in_a_glb() -> None:
    data = gltf.encoded(coloured(), lit=False)
    about = document(data)
    entry = about["accessors"][about["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    view = about["bufferViews"][entry["bufferView"]]
    start = 20 + struct.unpack("<I", data[12:16])[0] + 8 + view["byteOffset"]
    stored = np.frombuffer(data, "<u2", 4 * entry["count"], start).reshape(-1, 4) / 65535
    assert entry["normalized"] and np.abs(stored[:, :3] - linear(coloured().colours)).max() < 1e-4
    assert (stored[:, 3] == 1).all()
    assert linear(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.21404, 1], abs=1e-5)


def test_trimesh_reads_the_colours_of_a_ply(tmp_path: Path) -> None:
    path = tmp_path / "ball.ply"
    files.save_ply(path, coloured(), False)
    read = loaded(path).visual.vertex_colors[:, :3] / 255
    assert np.abs(read - coloured().colours).max() < 0.003


def test_the_material_is_unlit_unless_asked() -> None:
    flat, lit = (document(gltf.encoded(textured(), one)) for one in (False, True))
    assert flat["materials"][0]["extensions"] == {"KHR_materials_unlit": {}}
    assert flat["extensionsUsed"] == ["KHR_materials_unlit"]
    assert "extensions" not in lit["materials"][0] and "extensionsUsed" not in lit


def test_large_and_small_meshes_get_the_indices_they_need() -> None:
    faces = np.array([[0, 1, 2]])
    for count, component in ((3, gltf.UNSIGNED_SHORT), (70_000, gltf.UNSIGNED_INT)):
        points = np.zeros((count, 3), np.float32)
        points[:3] = np.eye(3)
        mesh = Mesh(points, faces, points, colours=points)
        about = document(gltf.encoded(mesh, False))
        assert about["accessors"][-1]["componentType"] == component


@pytest.mark.parametrize("texture", [0, 128])
def test_a_watertight_glb_encloses_its_volume(texture: int) -> None:
    config = ExportConfig(grid=48, faces=1500, texture=texture, watertight=True)
    data = gltf.encoded(mesh_of(ball_head(), None, config), False)
    read = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh", process=False)
    read.merge_vertices(merge_tex=True, merge_norm=True)
    assert read.is_watertight and read.is_winding_consistent
    assert read.volume == pytest.approx(4 / 3 * np.pi * 0.1**3, rel=0.05)


def test_a_textured_mesh_has_no_colours_of_its_own_and_the_other_way_round() -> None:
    assert textured().colours is None and coloured().uv is None
    assert files.fitting(Path("a.PLY"), ExportConfig()) == replace(ExportConfig(), texture=0)
    assert files.fitting(Path("a.glb"), ExportConfig()).texture == 2048
