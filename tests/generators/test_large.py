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
from standin import EG3D_AXES, write_official

from hfinv.generators.eg3d import EG3D
from hfinv.generators.official import Found, card_of

CODE = """
import json, sys, time
from pathlib import Path
import torch
from hfinv.generators.checkpoint import load
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1e3
torch.zeros(1)
from hfinv.generators.eg3d import EG3D
before, start, busy = peak(), time.perf_counter(), time.process_time()
made = load(Path(sys.argv[1]))
took, busy = time.perf_counter() - start, time.process_time() - busy
tensors = sum(t.numel() * t.element_size() for t in made.state_dict().values()) / 1e6
print(json.dumps({"seconds": took, "busy": busy, "grown": peak() - before, "tensors": tensors}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("protocol", [4])
def test_an_official_file_opens_in_seconds_and_in_little_more_than_its_tensors(
    protocol: int, tmp_path: Path
) -> None:
    arguments = json.loads((DATA / "keys_eg3d_ffhqrebalanced512-128.json").read_text())[
        "init_kwargs"
    ]
    made = EG3D(card_of(Found({}, arguments, 128), "large"))
    recipe.fill(made)
    made.requires_grad_(False)
    extra = torch.nn.Linear(5400, 5400)  # so that the discriminator is as large as the official one
    path = write_official(
        tmp_path / "large.pkl", made, arguments, 128, EG3D_AXES, discriminator=extra
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
