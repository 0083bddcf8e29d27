"""The cameras of a head's pictures, as other programs read them: the photo's, and those all around.

| for        | file                          | frame                                                          |
| ---------- | ----------------------------- | -------------------------------------------------------------- |
| blender    | NAME_blender.py               | a script that opens the mesh and sets up cameras; metres, z up  |
| nerfstudio | NAME_nerfstudio/transforms.json | OpenGL axes, metres, y up; with pictures                       |
| eg3d       | NAME_eg3d/dataset.json        | labels of 25 numbers, OpenCV axes, world units; with pictures   |
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hfinv import render
from hfinv.camera import Camera
from hfinv.errors import UsageError
from hfinv.export.mesh import METRES_PER_UNIT
from hfinv.export.sources import cameras_around
from hfinv.head import Head
from hfinv.image import written_aside

PHOTO = "photo"
"""Name of the photo's camera."""
SENSOR = 36.0
"""Millimetres: the width of Blender's film, in which it measures focal lengths."""


def check(program: str | None) -> None:
    """Refuse a program that no cameras can be written for.

    Raises:
        UsageError: it is not known.
    """
    if program is not None and program not in WRITERS:
        known = ", ".join(WRITERS)
        raise UsageError(f"no cameras can be written for `{program}`", f"choose one of {known}")


def save(head: Head, mesh: Path, program: str) -> list[Path]:
    """Write the cameras beside a mesh.

    Args:
        head: what they see.
        mesh: path of its file.
        program: a key of `WRITERS`.

    Returns:
        The files written.
    """
    cameras = {PHOTO: head.camera.to("cpu").detach(), **cameras_around(head)}
    return WRITERS[program](head, cameras, mesh)


def for_blender(head: Head, cameras: dict[str, Camera], mesh: Path) -> list[Path]:
    """A script for `blender --python`, which opens the mesh and stands at the photo's camera."""
    entries = [blender_camera(name, camera) for name, camera in cameras.items()]
    text = _SCRIPT.format(
        mesh=repr(mesh.name),
        size=head.generator.card.image_size,
        cameras=json.dumps(entries, indent=1),
        first=repr(PHOTO),
    )
    path = mesh.with_name(f"{mesh.stem}_blender.py")
    _write(path, text)
    return [path]


def for_nerfstudio(head: Head, cameras: dict[str, Camera], mesh: Path) -> list[Path]:
    """A data folder that `ns-train` takes."""
    folder = mesh.with_name(f"{mesh.stem}_nerfstudio")
    pictures = _pictures(head, cameras, folder / "images")
    frames = []
    for picture, camera in zip(pictures, cameras.values()):
        size = head.generator.card.image_size
        k = size * camera.intrinsics[0].double().numpy()
        frames.append(
            {
                "file_path": f"images/{picture.name}",
                "transform_matrix": opengl(camera).tolist(),
                "fl_x": k[0, 0],
                "fl_y": k[1, 1],
                "cx": k[0, 2],
                "cy": k[1, 2],
                "w": size,
                "h": size,
            }
        )
    path = folder / "transforms.json"
    _write(path, json.dumps({"camera_model": "OPENCV", "frames": frames}, indent=2) + "\n")
    return [path, *pictures]


def for_eg3d(head: Head, cameras: dict[str, Camera], mesh: Path) -> list[Path]:
    """A data folder as EG3D's training takes it."""
    folder = mesh.with_name(f"{mesh.stem}_eg3d")
    pictures = _pictures(head, cameras, folder)
    labels = [
        [picture.name, camera.label()[0].tolist()]
        for picture, camera in zip(pictures, cameras.values())
    ]
    path = folder / "dataset.json"
    _write(path, json.dumps({"labels": labels}) + "\n")
    return [path, *pictures]


def opengl(camera: Camera) -> np.ndarray:
    """[4, 4] float64, camera axes x right, y up, z backward -> the mesh's frame, in metres."""
    matrix = camera.cam2world[0].double().numpy() @ np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[:3, 3] *= METRES_PER_UNIT
    return matrix


def blender_camera(name: str, camera: Camera) -> dict[str, Any]:
    """What the script needs to know of a camera."""
    upright = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # y up to z up
    k = camera.intrinsics[0].double().numpy()
    return {
        "name": name,
        "matrix": (upright @ opengl(camera)).tolist(),
        "lens": SENSOR * k[0, 0],
        "shift": [0.5 - k[0, 2], k[1, 2] - 0.5],
    }


def _pictures(head: Head, cameras: dict[str, Camera], folder: Path) -> list[Path]:
    with torch.no_grad():
        return list(render.save_stills(head, cameras, folder))


def _write(path: Path, text: str) -> None:
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


WRITERS: dict[str, Callable[[Head, dict[str, Camera], Path], list[Path]]] = {
    "blender": for_blender,
    "nerfstudio": for_nerfstudio,
    "eg3d": for_eg3d,
}
"""By program."""

_SCRIPT = '''"""Open the head and its cameras in Blender: blender --python THIS_FILE"""

import pathlib

import bpy
import mathutils

MESH = pathlib.Path(__file__).resolve().parent / {mesh}
OPENERS = {{
    ".glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ".obj": lambda path: bpy.ops.wm.obj_import(filepath=path),
    ".ply": lambda path: bpy.ops.wm.ply_import(filepath=path, forward_axis="NEGATIVE_Z", up_axis="Y"),
    ".stl": lambda path: bpy.ops.wm.stl_import(filepath=path, forward_axis="NEGATIVE_Z", up_axis="Y"),
}}
CAMERAS = {cameras}

OPENERS[MESH.suffix.lower()](str(MESH))
scene = bpy.context.scene
scene.render.resolution_x = scene.render.resolution_y = {size}
scene.view_settings.view_transform = "Standard"  # filmic looks would change the photo's colours
for entry in CAMERAS:
    data = bpy.data.cameras.new(entry["name"])
    data.sensor_fit, data.sensor_width = "HORIZONTAL", 36.0
    data.lens = entry["lens"]
    data.shift_x, data.shift_y = entry["shift"]
    data.clip_start = 0.01
    camera = bpy.data.objects.new(entry["name"], data)
    camera.matrix_world = mathutils.Matrix(entry["matrix"])
    scene.collection.objects.link(camera)
    if entry["name"] == {first}:
        scene.camera = camera
'''
