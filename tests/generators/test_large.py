"""A checkpoint of official size: how long it takes to open, and how much memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import recipe
import torch
from fixtures import DATA
from standin import EG3D_AXES, PANOHEAD_AXES, Style, write_official

from hfinv.camera import look_at
from hfinv.generators import family
from hfinv.generators.checkpoint import load
from hfinv.generators.official import Found, card_of
from hfinv.samples import latent_of
from hfinv.weights import convert

CODE = """
import json, sys, time
from pathlib import Path
import torch
from hfinv.generators.checkpoint import load
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1e3
torch.zeros(1)
import hfinv.generators.panohead
before, start, busy = peak(), time.perf_counter(), time.process_time()
made = load(Path(sys.argv[1]))
took, busy = time.perf_counter() - start, time.process_time() - busy
tensors = sum(t.numel() * t.element_size() for t in made.state_dict().values()) / 1e6
print(json.dumps({"seconds": took, "busy": busy, "grown": peak() - before, "tensors": tensors}))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("eg3d_ffhqrebalanced512-128", 2),
        ("eg3d_ffhqrebalanced512-128", 4),
        ("panohead_easy-khair-180-gpc0.8-trans10", 4),
    ],
)
def test_an_official_file_opens_in_seconds_and_in_little_more_than_its_tensors(
    name: str, protocol: int, tmp_path: Path
) -> None:
    arguments = json.loads((DATA / f"keys_{name}.json").read_text())["init_kwargs"]
    card = card_of(Found({}, arguments, 128), "large")
    made = family(card.family)(card)
    recipe.fill(made)
    made.requires_grad_(False)
    extra = torch.nn.Linear(5400, 5400)  # so that the discriminator is as large as the official one
    axes = EG3D_AXES if name.startswith("eg3d") else PANOHEAD_AXES
    path = write_official(
        tmp_path / "large.pkl", made, arguments, 128, axes, Style(protocol), discriminator=extra
    )
    assert path.stat().st_size > 350e6
    command = [sys.executable, "-c", CODE, str(path)]
    root = Path(__file__).parents[2]
    found = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(root)}, check=True
    )
    told = json.loads(found.stdout)
    print(path.stat().st_size / 1e6, told)
    assert told["busy"] < 10 and told["grown"] < told["tensors"] + 1000


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize(
    "name", ["eg3d_ffhqrebalanced512-128", "panohead_easy-khair-180-gpc0.8-trans10"]
)
def test_an_official_file_and_what_it_is_converted_to_draw_the_same(
    name: str, tmp_path: Path
) -> None:
    arguments = json.loads((DATA / f"keys_{name}.json").read_text())["init_kwargs"]
    card = card_of(Found({}, arguments, 64), "large")
    made = family(card.family)(card)
    recipe.fill(made)
    axes = EG3D_AXES if name.startswith("eg3d") else PANOHEAD_AXES
    write_official(tmp_path / "large.pkl", made, arguments, 64, axes)
    convert(tmp_path / "large.pkl", tmp_path / "ours.safetensors")
    camera, images = look_at(0.4), []
    for file in ("large.pkl", "ours.safetensors"):
        found = load(tmp_path / file)
        w_plus = found.map(latent_of(0, 512))
        images.append(found.render(found.planes(w_plus), w_plus, camera, samples=(12, 12)).image)
    assert images[0].shape[-1] == 512 and torch.equal(*images)
