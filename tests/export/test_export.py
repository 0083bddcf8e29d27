from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from export_examples import QUICK, ball_head, coloured, photo_of_ball, textured, true_colours

from hfinv.errors import UsageError
from hfinv.export import ExportConfig, asked, export, glb, mesh_of
from hfinv.geometry.raster import rasterise
from hfinv.image import to_tensor
from hfinv.progress import Stage


def test_the_exported_ball_is_the_ball() -> None:
    radius = np.linalg.norm(textured().vertices, axis=1)
    assert np.abs(radius - 0.25).max() < 0.006  # a grid cell is 0.016


def test_normals_point_outwards() -> None:
    mesh = textured()
    out = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert (mesh.normals * out).sum(1).min() > 0.97


def test_colours_at_the_vertices_are_the_balls() -> None:
    mesh = coloured()
    off = np.abs(mesh.colours - true_colours(torch.from_numpy(mesh.vertices)).numpy())
    assert off.mean() < 0.02 and np.quantile(off, 0.99) < 0.1


def test_the_texture_seen_from_the_photos_camera_is_the_photo() -> None:
    mesh, face = textured(), photo_of_ball()
    vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)
    seen = rasterise(vertices, faces, face.camera, 128)
    uv = seen.interpolate(faces, torch.from_numpy(mesh.uv)).permute(0, 2, 3, 1)
    image = F.grid_sample(to_tensor(mesh.texture), 2 * uv - 1, align_corners=False)
    there = seen.face[:, None] >= 0
    photo, matte = (F.avg_pool2d(x, 2) for x in (face.photo, face.foreground))
    both = (there & (matte > 0.99)).expand_as(image)
    error = ((image - photo) / 2)[both].square().mean()
    assert -10 * error.log10() > 32
    overlap = (there & (matte > 0.5)).sum() / (there | (matte > 0.5)).sum()
    assert overlap > 0.98


def test_the_photos_brightness_is_carried_over_its_border_without_a_step() -> None:
    mesh = mesh_of(ball_head(), photo_of_ball(tint=0.2), replace(QUICK, texture=0, faces=6000))
    brighter = mesh.colours - true_colours(torch.from_numpy(mesh.vertices)).numpy()
    toward = mesh.vertices @ ball_head().camera.centre[0].numpy()
    order = np.argsort(toward)[::-1]
    # Bands from the photo's side to the back: bright, then less and less, nowhere by a jump.
    bands = [band.mean() for band in np.array_split(brighter[order].mean(1), 12)]
    assert bands[0] == pytest.approx(0.1, abs=0.02) and bands[-1] < 0.06
    assert np.abs(np.diff(bands)).max() < 0.05


def test_a_brighter_face_than_the_photos_is_not_painted_with_the_photo() -> None:
    without = mesh_of(ball_head(), None, QUICK)
    assert not np.array_equal(without.texture, textured().texture)
    assert np.array_equal(
        without.texture, mesh_of(ball_head(), None, QUICK).texture
    )  # the same bytes each time


def test_a_head_without_a_run_is_exported_by_the_generator_alone(tmp_path: Path) -> None:
    told: list[Stage] = []
    path = ball_head().export(tmp_path / "deep" / "ball.glb", grid=48, faces=1500, texture=128)
    data = glb(ball_head(), ExportConfig(grid=48, faces=1500, texture=128), told.append)
    assert path.read_bytes() == data and data[:4] == b"glTF"
    made = [one.name for one in told if isinstance(one, Stage) and one.state == "made"]
    assert made == ["look", "surface", "unwrap", "paint"]
    assert [file.name for file in path.parent.iterdir()] == ["ball.glb"]


def test_another_ending_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ending"):
        export(ball_head(), tmp_path / "ball.fbx")


@pytest.mark.parametrize("wrong", [{"grid": 8}, {"faces": 7}, {"texture": 9999}])
def test_numbers_that_are_no_use_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        ExportConfig(**wrong)


def test_options_that_were_not_given_keep_their_defaults() -> None:
    assert asked(grid=None, faces=500, lit=True) == ExportConfig(faces=500, lit=True)
    assert asked(vertex_colours=True).texture == 0
    with pytest.raises(UsageError, match="vertices or into"):
        asked(vertex_colours=True, texture=512)
