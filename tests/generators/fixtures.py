"""The recorded cases of the reference implementation (tests/data), and how to read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Case:
    """One call of the reference with its inputs and results."""

    name: str
    op: str
    args: dict
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    def state(self, prefix: str) -> dict[str, Tensor]:
        """The inputs that are parameters of the module under test."""
        return {k.removeprefix(prefix): v for k, v in self.inputs.items() if k.startswith(prefix)}


def cases(name: str) -> dict[str, Case]:
    """All cases of `tests/data/NAME.json` that hold tensors, by name."""
    tensors = load_file(DATA / f"{name}.safetensors")
    found = {}
    for entry in json.loads((DATA / f"{name}.json").read_text()):
        inputs = {key: tensors[where] for key, where in entry["inputs"].items()}
        outputs = {key: tensors[where] for key, where in entry["outputs"].items()}
        found[entry["name"]] = Case(entry["name"], entry["op"], entry["args"], inputs, outputs)
    return found


def recorded(name: str) -> tuple[dict, dict[str, Tensor]]:
    """`tests/data/NAME.json` and `tests/data/NAME.safetensors`: a whole generator's settings and tensors."""
    return json.loads((DATA / f"{name}.json").read_text()), load_file(DATA / f"{name}.safetensors")


def check_close(
    found: Tensor, expected: Tensor, atol: float, rtol: float = 0.0, mean: float | None = None
) -> None:
    """Fail unless all values agree within atol + rtol * |expected|, and on average within `mean`."""
    assert found.shape == expected.shape
    error = (found - expected).abs()
    assert error.isfinite().all()
    worst = (error - rtol * expected.abs()).max().item()
    assert worst <= atol, f"largest error {worst:.2e}, allowed {atol:.0e}"
    if mean is not None:
        assert (
            error.mean().item() <= mean
        ), f"mean error {error.mean().item():.2e}, allowed {mean:.0e}"
