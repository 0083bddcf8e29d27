"""What finished runs are good for, beside the project's bars: their mesh against the photo, and a smile that keeps the person.

    pip install -e '.[test]'
    python examples/run_bars.py run1 run2 run3 --out bars

Writes OUT/bars.json, OUT/smiles.png (photo, head, smiling head), OUT/attributes.png and OUT/meshes.png (photo, mesh).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import trimesh
from torch import Tensor

import hfinv
from hfinv.camera import Camera
from hfinv.directions.scorers import smile
from hfinv.editing import applied, edit
from hfinv.export.mesh import METRES_PER_UNIT
from hfinv.export.sources import photo_of
from hfinv.geometry.raster import NOTHING, rasterise
from hfinv.head import Head
from hfinv.identity import Identity, landmarks
from hfinv.image import contact_sheet, resize, save_png, to_bytes
from hfinv.losses import psnr
from hfinv.metrics.shape import silhouette_iou
from hfinv.render import still_camera

SMILE = {"smile": 1.5}
SHOWN = ({"age": 2.0}, {"gender": -2.0}, {"gender": 2.0}, {"jaw_open": 2.0}, {"blink": 2.0})
"""Edits of the sheet, each of which should be seen at a glance."""
SIDE = 512
"""Pixels of the pictures in which landmarks are sought, and of the mesh's."""


def seen(head: Head, camera: Camera | None = None) -> np.ndarray:
    """uint8 [512, 512, 3], from the front if no camera is given."""
    camera = still_camera(head.generator, 0.0, 0.0) if camera is None else camera
    drawn = head.generator.render(head.planes, head.w_plus, camera, background=1.0)
    return to_bytes(resize(drawn.image, SIDE).clamp(-1, 1))


def edited(head: Head, amounts: dict[str, float]) -> Head:
    """The head after an edit."""
    return applied(head, edit(head, amounts))


def smiles(head: Head, identity: Identity) -> tuple[dict[str, float], list[np.ndarray]]:
    """How much more it smiles, and how alike it stays: the cosine of the descriptors before and after."""
    before, after = seen(head), seen(edited(head, SMILE))
    points = [landmarks(picture) for picture in (before, after)]
    if any(p is None for p in points):
        return {"smile_before": float("nan"), "smile_after": float("nan")}, [before, after]
    scores = [smile(p / SIDE) for p in points]
    described = [identity.describe(x, p) for x, p in zip((before, after), points)]
    alike = F.cosine_similarity(described[0], described[1], dim=0).item()
    return dict(smile_before=scores[0], smile_after=scores[1], alike=alike), [before, after]


def drawn_mesh(path: Path, camera: Camera) -> tuple[Tensor, Tensor]:
    """A GLB from a camera: colours [1, 3, 512, 512] in [-1, 1] over black, and coverage [1, 1, 512, 512] of 0 and 1."""
    mesh = trimesh.load(path, force="mesh", process=False)
    vertices = torch.tensor(np.asarray(mesh.vertices) / METRES_PER_UNIT, dtype=torch.float32)
    faces = torch.tensor(np.asarray(mesh.faces))
    found = rasterise(vertices, faces, camera, SIDE, "embree")
    uv = found.interpolate(faces, torch.tensor(np.asarray(mesh.visual.uv), dtype=torch.float32))
    texture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    sheet = torch.from_numpy(texture.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    where = torch.stack([2 * uv[:, 0] - 1, 1 - 2 * uv[:, 1]], -1)  # trimesh's v points up
    covered = (found.face != NOTHING)[:, None].float()
    colour = F.grid_sample(sheet, where, align_corners=False, padding_mode="border")
    return colour * covered - (1 - covered), covered


def meshed(head: Head, path: Path) -> tuple[dict[str, float], list[np.ndarray]]:
    """The mesh from the photo's camera against the photo: foreground PSNR in dB, and IoU of the silhouettes."""
    start = time.perf_counter()
    head.export(path)
    seconds = time.perf_counter() - start
    face = photo_of(head)
    image, covered = drawn_mesh(path, head.camera)
    person = resize(face.foreground * face.seen, SIDE)
    photo = resize(face.photo, SIDE)
    both = person * covered
    figures = {
        "mesh_psnr": psnr(image, photo, both),
        "mesh_psnr_of_all": psnr(image, photo, person),
        "mesh_iou": silhouette_iou(covered, person),
        "mesh_seconds": seconds,
    }
    over_black = photo * person - (1 - person)
    return figures, [to_bytes(over_black), to_bytes(image)]


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("bars"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    identity, figures = Identity(), {}
    sheets: dict[str, list[list[np.ndarray]]] = {"smiles": [], "attributes": [], "meshes": []}
    for run in asked.runs:
        head = hfinv.open_head(run)
        found, pictures = smiles(head, identity)
        sheets["smiles"].append([seen(head, head.camera), *pictures])
        sheets["attributes"].append([seen(head), *(seen(edited(head, change)) for change in SHOWN)])
        round_trip, pictures = meshed(head, asked.out / f"{run.name}.glb")
        sheets["meshes"].append(pictures)
        figures[run.name] = {"psnr": head.psnr, **found, **round_trip}
        print(
            run.name,
            {name: round(value, 3) for name, value in figures[run.name].items()},
            flush=True,
        )
    for name, rows in sheets.items():
        pictures = [picture for row in rows for picture in row]
        save_png(asked.out / f"{name}.png", contact_sheet(pictures, len(rows[0])))
    (asked.out / "bars.json").write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
