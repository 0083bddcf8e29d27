"""Random weights that everybody can make again: each tensor's values follow from its name and shape."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn

from hfinv.generators.layers import setup_filter

OUTPUT_GAIN = 6.0
"""Of the decoder's density row, so that random planes hold both matter and empty space."""


def normals(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normals of a name, float64."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    return random.standard_normal(int(np.prod(shape))).reshape(shape)


def rounded(values: np.ndarray) -> Tensor:
    """Through float32 and float16 to float32."""
    return torch.from_numpy(np.asarray(values, dtype=np.float32)).half().float()


def tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """The recipe's value of the tensor `name`."""
    if name.endswith("resample_filter"):
        return setup_filter()
    return rounded(_scaled(name, normals(name, shape)))


def _scaled(name: str, r: np.ndarray) -> np.ndarray:
    if name.endswith("noise_strength"):
        return 0.03 * r
    if name.endswith(("noise_const", ".const")):
        return r
    if name.endswith("w_avg"):
        return (0.02 if name.startswith("t_mapping.") else 0.3) * r
    if name.startswith("t_mapping."):
        return _offset(name, r)
    if name.endswith("affine.bias"):
        return 1 + 0.25 * r
    if name.endswith("affine.weight"):
        return r
    bias = name.endswith(".bias")
    if ".mapping.fc" in name:
        return (30 if bias else 100) * r
    if ".mapping.embed" in name:
        return (0.3 if bias else 1) * r
    if name.startswith("decoder."):
        return _decoder(name, r)
    return 0.03 * r if bias else r


def _offset(name: str, r: np.ndarray) -> np.ndarray:
    if name.endswith("fc1.weight"):
        return 0.1 * r
    if name.endswith("fc1.bias"):
        return 0.02 * r
    return (0.3 if name.endswith(".bias") else 1) * r


def _decoder(name: str, r: np.ndarray) -> np.ndarray:
    if name.endswith(".bias"):
        return 0.5 * r
    if name == "decoder.net.2.weight":
        r[0] = OUTPUT_GAIN * (r[0] - r[0].mean())
    return r


def fill(module: nn.Module, prefix: str = "", overrides: dict[str, float] | None = None) -> None:
    """Give a module the recipe's weights.

    Args:
        module: any.
        prefix: of the recipe's names before the module's own.
        overrides: single values afterwards, such as {"decoder.net.2.bias[0]": 2.0}.
    """
    state = {name: tensor(prefix + name, tuple(t.shape)) for name, t in module.state_dict().items()}
    for place, value in (overrides or {}).items():
        name, index = place.rstrip("]").split("[")
        state[name][int(index)] = value
    module.load_state_dict(state)
