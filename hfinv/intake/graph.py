"""A converted model, run in plain torch; `convert.py` made the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from hfinv.intake import assets
from hfinv.shapes import check


class Network(nn.Module):
    """A feed-forward graph of the operations below, differentiable in its input.

    Args:
        graph: {"size", "low", "input", "outputs": {name: value}, "nodes": [...]}; a node is
            {"op", "inputs", "output", "weights", ...options}. Values are numbered.
        weights: by name; any float type, used as float32.
    """

    def __init__(self, graph: dict, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.size: int = graph["size"]
        self.low: float = graph["low"]
        self.entry: int = graph["input"]
        self.outputs: dict[str, int] = graph["outputs"]
        self.nodes: list[dict] = graph["nodes"]
        for name, weight in weights.items():
            self.register_buffer(name, weight.float())

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Every output of the graph by its name.

        Args:
            image: [B, 3, size, size] in [-1, 1], RGB.
        """
        check(image=(image, f"B 3 {self.size} {self.size}"))
        white = 1.0
        values = {self.entry: self.low + (image + 1) * ((white - self.low) / 2)}
        for node in self.nodes:
            inputs = [values[i] for i in node["inputs"]]
            weights = [getattr(self, name) for name in node["weights"]]
            values[node["output"]] = OPERATIONS[node["op"]](node, *inputs, *weights)
        return {name: values[i] for name, i in self.outputs.items()}


def _convolve(node: dict, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    left, right, top, bottom = node["pad"]
    if left == right and top == bottom:  # without a copy
        return F.conv2d(x, weight, bias, node["stride"], (top, left), groups=node["groups"])
    return F.conv2d(F.pad(x, node["pad"]), weight, bias, node["stride"], groups=node["groups"])


def _deconvolve(node: dict, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv_transpose2d(x, weight, bias, node["stride"])


def _rows(node: dict, x: Tensor) -> Tensor:
    """[B, C, h, w] -> [B, N, columns], in the order of the original [B, h, w, C] layout."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, node["columns"])


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "conv": _convolve,
    "deconv": _deconvolve,
    "prelu": lambda node, x, slope: F.prelu(x, slope),
    "relu": lambda node, x: F.relu(x),
    "hardswish": lambda node, x: F.hardswish(x),
    "sigmoid": lambda node, x: torch.sigmoid(x),
    "add": lambda node, x, y: x + y,
    "mul": lambda node, x, y: x * y,
    "widen": lambda node, x: F.pad(x, (0, 0, 0, 0, 0, node["channels"])),
    "maxpool": lambda node, x: F.max_pool2d(x, node["size"], node["stride"]),
    "mean": lambda node, x: x.mean((2, 3), keepdim=True),
    "resize": lambda node, x: F.interpolate(x, node["size"], mode="bilinear", align_corners=False),
    "rows": _rows,
    "stack": lambda node, *rows: torch.cat(rows, 1),
}


@lru_cache(maxsize=None)
def load(name: str) -> Network:
    """The bundled model of that name, on the CPU; read once."""
    with safe_open(assets.path(f"{name}.safetensors"), "pt") as file:
        graph = json.loads(file.metadata()["graph"])
        weights = {key: file.get_tensor(key) for key in file.keys()}
    return Network(graph, weights).eval().requires_grad_(False)
