from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from export_examples import ball_head

from hfinv.camera import Camera, from_label, look_at
from hfinv.errors import UsageError
from hfinv.export import cameras
from hfinv.export.mesh import METRES_PER_UNIT
from hfinv.export.sources import cameras_around
from hfinv.image import read

POINT = torch.tensor([[[0.11, 0.07, 0.2]]])


def by_hand(matrix: np.ndarray, point: np.ndarray, focal: float, centre: list[float]) -> np.ndarray:
    """Where an OpenGL camera sees a point: x right and y down, in the units of the focal length."""
    x, y, z = np.linalg.inv(matrix)[:3, :3] @ (point - matrix[:3, 3])
    return np.array([centre[0] - focal * x / z, centre[1] + focal * y / z])


def off_centre() -> Camera:
    seen_from = look_at(0.4, -0.2)
    seen_from.intrinsics[:, :2, 2] = torch.tensor([0.47, 0.56])
    return seen_from


def test_nerfstudio_sees_points_where_we_see_them(tmp_path: Path) -> None:
    head = ball_head()
    files = cameras.save(head, tmp_path / "ball.glb", "nerfstudio")
    assert files[0] == tmp_path / "ball_nerfstudio" / "transforms.json"
    frames = json.loads(files[0].read_text())["frames"]
    ours = [head.camera, *cameras_around(head).values()]
    assert len(frames) == len(ours) == len(files) - 1
    for frame, camera in zip(frames, ours):
        there = by_hand(
            np.array(frame["transform_matrix"]),
            METRES_PER_UNIT * POINT[0, 0].numpy(),
            frame["fl_x"],
            [frame["cx"], frame["cy"]],
        )
        assert there == pytest.approx(128 * camera.project(POINT)[0][0, 0].numpy(), abs=1e-2)
        assert read(files[0].parent / frame["file_path"]).shape == (frame["h"], frame["w"], 3)


def test_blender_sees_points_where_we_see_them() -> None:
    camera = off_centre()
    entry = cameras.blender_camera("photo", camera)
    x, y, z = METRES_PER_UNIT * POINT[0, 0].numpy()
    # Blender turns a glTF upright by a quarter turn about x; a shift of the film moves the picture against it.
    turned, shift = np.array([x, -z, y]), entry["shift"]
    centre = [0.5 - shift[0], 0.5 + shift[1]]
    there = by_hand(np.array(entry["matrix"]), turned, entry["lens"] / cameras.SENSOR, centre)
    assert there == pytest.approx(camera.project(POINT)[0][0, 0].numpy(), abs=1e-4)


def test_the_script_for_blender_is_python_and_opens_the_mesh(tmp_path: Path) -> None:
    (script,) = cameras.save(ball_head(), tmp_path / "my 'head'.glb", "blender")
    text = script.read_text()
    compile(text, str(script), "exec")
    assert repr("my 'head'.glb") in text


def test_labels_of_eg3d_are_the_cameras(tmp_path: Path) -> None:
    head = ball_head()
    files = cameras.save(head, tmp_path / "ball.glb", "eg3d")
    name, label = json.loads(files[0].read_text())["labels"][0]
    assert (files[0].parent / name).is_file()
    assert torch.allclose(from_label(torch.tensor(label)).cam2world, head.camera.cam2world)


def test_an_unknown_program_is_refused() -> None:
    cameras.check(None)
    with pytest.raises(UsageError, match="maya") as caught:
        cameras.check("maya")
    assert "blender" in caught.value.hint
