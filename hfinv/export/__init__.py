"""A head as a mesh that other programs open: GLB, OBJ, PLY or STL.

    head - look - surface - unwrap - paint - file

Everything before the file is in the head's own frame: y up, the face towards +z, world units. Files are in metres, one
world unit being 0.4 m; the frame is glTF's, so nothing is turned.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from hfinv.errors import UsageError
from hfinv.export import bake, cameras, files, gltf, sources, surface, unwrap
from hfinv.export.mesh import Mesh
from hfinv.head import Head
from hfinv.intake import Face
from hfinv.progress import Progress, Stage, ignore

__all__ = ["ExportConfig", "export", "glb", "mesh_of"]


@dataclass(frozen=True)
class ExportConfig:
    """What the mesh is like."""

    grid: int = 256
    """Points of the density grid along one side of the box."""
    faces: int = 30_000
    """About how many triangles are kept; 0 keeps all."""
    texture: int = 2048
    """Side of the texture, in pixels; 0 gives the vertices colours instead."""
    lit: bool = False
    """A material that takes the viewer's light; otherwise the photo's light is all there is."""
    watertight: bool = False
    """Close the surface below the neck, and everywhere else."""

    def __post_init__(self) -> None:
        if not 32 <= self.grid <= 1024:
            raise UsageError(f"a grid of {self.grid} points is no use", "choose 32 to 1024")
        if self.faces and self.faces < 100:
            raise UsageError(f"{self.faces} faces are no head", "choose 100 or more, or 0 for all")
        if self.texture and not 64 <= self.texture <= 8192:
            raise UsageError(
                f"a texture of {self.texture} pixels is no use",
                "choose 64 to 8192, or 0 for colours at the vertices",
            )


def asked(vertex_colours: bool = False, **given: int | bool | None) -> ExportConfig:
    """The settings of a command line: options that were not given are None.

    Raises:
        UsageError: colours at the vertices and a texture were asked for, or a number is no use.
    """
    if vertex_colours:
        if given.get("texture"):
            raise UsageError(
                "colours go to the vertices or into a texture",
                "leave out `--texture` or `--vertex-colours`",
            )
        given["texture"] = 0
    return ExportConfig(**{name: value for name, value in given.items() if value is not None})


def glb(head: Head, config: ExportConfig = ExportConfig(), progress: Progress = ignore) -> bytes:
    """The head as a GLB, to be written or sent.

    Args:
        head: which; an edited one is coloured without the photo, which shows another face.
        config: how fine.
        progress: hears of each part.

    Raises:
        HfinvError: nothing solid is there, or it could not be closed.
    """
    mesh = mesh_of(head, sources.photo_of(head), config, progress)
    return gltf.encoded(mesh, config.lit)


def export(
    head: Head,
    path: str | os.PathLike[str],
    config: ExportConfig = ExportConfig(),
    cameras_for: str | None = None,
    progress: Progress = ignore,
) -> list[Path]:
    """Write the head's mesh, and its cameras if asked.

    Args:
        head: which.
        path: ends in .glb, .obj, .ply or .stl.
        config: how fine. PLY holds colours at the vertices, whatever is asked; STL holds none.
        cameras_for: blender, nerfstudio or eg3d: also write the cameras, as these read them.
        progress: hears of each part.

    Returns:
        The files written, the mesh first.

    Raises:
        UsageError: there is no such format.
        HfinvError: nothing solid is there, it could not be closed, or not be written.
    """
    path = Path(path)
    write = files.writer(path)
    cameras.check(cameras_for)
    mesh = mesh_of(head, sources.photo_of(head), files.fitting(path, config), progress)
    written = write(path, mesh, config.lit)
    if cameras_for is not None:
        written += cameras.save(head, path, cameras_for)
    return written


@torch.no_grad()
def mesh_of(
    head: Head, photo: Face | None, config: ExportConfig, progress: Progress = ignore
) -> Mesh:
    """The coloured surface of a head, in world units.

    Args:
        head: which.
        photo: what `head.camera` took; None colours it from the generator alone.
        config: how fine.
        progress: hears of each part.
    """
    # 1. What the photo and the generator show of it, from all around.
    with told("look", progress):
        pictures = sources.pictures(head, photo, progress)
    # 2. Where the density crosses the level that has their outlines; smoothed, cut below the neck, thinned out.
    with told("surface", progress):
        shape = surface.bust(head, pictures, config.grid, config.faces, config.watertight)
    # 3. Each triangle gets its place in the texture.
    sheet = None
    if config.texture:
        with told("unwrap", progress):
            sheet = unwrap.unwrapped(shape, config.texture)
    # 4. The pictures joined, each where it saw best.
    with told("paint", progress):
        return bake.coloured(shape, sheet, bake.Paint.of(shape, pictures))


@contextmanager
def told(name: str, progress: Progress) -> Iterator[None]:
    """Tell when a part begins and how long it took."""
    progress(Stage(name, "begun"))
    start = time.perf_counter()
    yield
    progress(Stage(name, "made", time.perf_counter() - start))
