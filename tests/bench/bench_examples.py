"""A data directory whose truth is the analytic ball."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from conftest import Ball

from hfinv.bench.protocol import turned
from hfinv.bench.truth import depth_of
from hfinv.camera import Camera, look_at
from hfinv.image import save_png, to_bytes


def write_balls(folder: Path, heads: int = 2, size: int = 64) -> dict[str, Any]:
    """Write balls of different tint, three views each; returns what `cameras.json` holds."""
    entries = []
    for index in range(heads):
        camera = look_at(0.1 * index, 0.05)
        cameras = {
            "input": camera,
            "yaw+30": turned(camera, 30),
            "pitch-10": turned(camera, 0, -10),
        }
        name = f"ball{index}"
        views = {v: write_view(folder, f"{name}/{v}", c, index, size) for v, c in cameras.items()}
        entries.append({"name": name, "views": views})
    content = {"heads": entries}
    (folder / "cameras.json").write_text(json.dumps(content))
    return content


def write_view(folder: Path, stem: str, camera: Camera, index: int, size: int) -> dict[str, Any]:
    ball = Ball(image_size=size, rays=size)
    w_plus = ball.mean_latent() + 0.1 * index
    drawn = ball.render(ball.planes(w_plus), w_plus, camera, background=0.0)
    save_png(folder / f"{stem}.png", to_bytes(drawn.image))
    save_png(folder / f"{stem}_mask.png", to_bytes(2 * drawn.alpha[0] - 1))
    distance = (drawn.distance * drawn.opacity)[0, 0].detach().numpy()
    np.savez(folder / f"{stem}_depth.npz", depth=depth_of(distance, camera))
    return {
        "image": f"{stem}.png",
        "mask": f"{stem}_mask.png",
        "depth": f"{stem}_depth.npz",
        "label": camera.label()[0].tolist(),
    }
