"""The benchmark's own true heads: synthetic heads that no training ever saw, made on demand and cached.

Their skins come from portraits that training leaves out, their strands of hair from seeds that it never uses, and their
factors from a stream of random numbers of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hfinv.bench.protocol import input_views
from hfinv.bench.truth import CAMERAS, TrueHead, depth_of, read_heads
from hfinv.camera import Camera, look_at
from hfinv.errors import HfinvError
from hfinv.image import save_png

if TYPE_CHECKING:
    from hfinv.training.heads import HeadMesh

SEED = 20_260
"""Of the stream that the benchmark's heads are drawn from; training's streams begin with small numbers."""
HAIR_SEED = 1_000_000
"""The first of the benchmark's hair seeds."""
YAW, PITCH = 35.0, 15.0
"""The input camera is drawn evenly within so many degrees."""
SUPERSAMPLE = 3
"""Rays a pixel along each axis."""
BACKGROUND = 127
"""Grey level behind the heads, of 255."""


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/hfinv`, or `~/.cache/hfinv`."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hfinv"


def synthetic_heads(
    count: int,
    size: int,
    cache: Path,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[TrueHead, ...]:
    """The first heads of the benchmark; head i of a size is always the same.

    Args:
        count: how many.
        size: side of the pictures, in pixels.
        cache: heads that are there are kept; those made are put there.
        report: called with (done, of) after each head.
    """
    folder = cache / "bench" / f"heads-{size}-{_recipe_hash()[:16]}"
    heads = []
    for index in range(count):
        name = f"head{index:02d}"
        if not (folder / name / CAMERAS).is_file():
            _make(folder / name, name, index, size)
        heads += read_heads(folder / name)
        report(index + 1, count)
    return tuple(heads)


def _make(folder: Path, name: str, index: int, size: int) -> None:
    """Write a data directory of one head, whole or not at all."""
    from hfinv.training.scene import Scene, photograph

    camera, mesh = _head(index)
    scene = Scene(mesh.vertices, mesh.faces)
    aside = folder.with_name(f".{name}.{os.getpid()}.part")
    try:
        aside.mkdir(parents=True, exist_ok=True)
        views = {}
        for view, seen_from in input_views(camera).items():
            seen = photograph(scene, mesh.colours, seen_from, size, size, SUPERSAMPLE)
            views[view] = _write_view(aside, view, seen_from, seen.colour, seen.distance)
        cameras = {"heads": [{"name": name, "views": views}]}
        (aside / CAMERAS).write_text(json.dumps(cameras, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(aside, folder)
    except OSError as error:
        raise HfinvError(
            f"`{folder}` cannot be written ({error.strerror})",
            "choose another folder with `--cache`",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _head(index: int) -> tuple[Camera, HeadMesh]:
    """The input's camera and the mesh of head number `index`."""
    from hfinv.training.factors import FACTORS
    from hfinv.training.heads import build_head
    from hfinv.training.skin import held_out_skins

    rng = np.random.default_rng([SEED, index])
    yaw, pitch = rng.uniform(-1, 1, 2) * np.radians([YAW, PITCH])
    z = rng.standard_normal(len(FACTORS)).astype(np.float32)
    skins = held_out_skins()
    order = np.random.default_rng(SEED).permutation(len(skins))
    skin = skins[order[index % len(skins)]]
    return look_at(float(yaw), float(pitch)), build_head(z, skin, HAIR_SEED + index)


def _write_view(
    folder: Path, view: str, camera: Camera, colour: np.ndarray, distance: np.ndarray
) -> dict[str, object]:
    """Files of one view; returns its entry in `cameras.json`."""
    cover = colour[..., 3:].astype(np.float32) / 255
    image = np.rint(colour[..., :3] + (1 - cover) * BACKGROUND).clip(0, 255).astype(np.uint8)
    names = {"image": f"{view}.png", "mask": f"{view}_mask.png", "depth": f"{view}_depth.npz"}
    save_png(folder / names["image"], image)
    save_png(folder / names["mask"], colour[..., 3])
    np.savez_compressed(folder / names["depth"], depth=depth_of(distance, camera))
    return {**names, "label": [round(x, 8) for x in camera.label()[0].tolist()]}


def _recipe_hash() -> str:
    """Changes with anything that makes the heads: another head must not be taken for the cached one."""
    from hfinv import bench, training

    folders = Path(training.__file__).parent, Path(bench.__file__).parent
    files = [*folders[0].rglob("*.py"), *folders[0].rglob("*.npz")]
    files += [folders[1] / "synthetic.py", folders[1] / "protocol.py"]
    found = hashlib.sha256(f"{SEED} {HAIR_SEED}".encode())
    for file in sorted(files):
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
