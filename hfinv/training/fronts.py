"""Pictures of heads from where photos are taken, small and all in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera, from_label
from hfinv.errors import HfinvError
from hfinv.generators.base import Factor


@dataclass(frozen=True)
class Shown:
    """B pictures."""

    z: Tensor
    """[B, Z], the heads' factors."""
    colour: Tensor
    """[B, 4, S, S] in [0, 1], colour times coverage, then coverage."""
    camera: Camera
    """B cameras."""


@dataclass(frozen=True)
class Fronts:
    """All pictures of a folder."""

    z: Tensor
    """[N, Z]."""
    colour: Tensor
    """[N, 4, S, S] uint8."""
    camera: Camera
    """N cameras."""
    heads: int
    """How many heads they show."""

    def batch(self, count: int, rng: np.random.Generator) -> Shown:
        """`count` pictures at random."""
        index = torch.from_numpy(rng.integers(len(self.z), size=count))
        return Shown(self.z[index], self.colour[index].float() / 255, self.camera[index])


def read_fronts(folder: Path, size: int, max_yaw: float, factors: Sequence[Factor]) -> Fronts:
    """The pictures of a folder of heads whose camera stands within `max_yaw` of the front.

    Args:
        folder: holds `head_*.npz`, see `hfinv.training.dataset`.
        size: side that the pictures are shrunk to.
        max_yaw: radians.
        factors: what each entry of z must mean.

    Raises:
        HfinvError: there are no heads, or they have another number of factors.
    """
    files = sorted(folder.glob("head_*.npz"))
    if not files:
        raise HfinvError(
            f"`{folder}` holds no heads",
            "give `--data` the directory of heads that `hfinv train generator` made",
        )
    z, colour, labels = [], [], []
    for file in files:
        with np.load(file, allow_pickle=False) as head:
            if len(head["z"]) != len(factors):
                raise HfinvError(
                    f"`{file}` has {len(head['z'])} factors, the generator {len(factors)}",
                    "use heads that were made for this generator",
                )
            label = torch.from_numpy(head["label"])
            front = from_label(label).angles()[0].abs() <= max_yaw
            if front.any():
                z.append(torch.from_numpy(head["z"]).expand(int(front.sum()), -1))
                colour.append(shrunk(head["colour"][front.numpy()], size))
                labels.append(label[front])
    if not z:
        raise HfinvError(f"no head in `{folder}` is seen from the front", "photograph more views")
    return Fronts(torch.cat(z), torch.cat(colour), from_label(torch.cat(labels)), len(files))


def shrunk(colour: np.ndarray, size: int) -> Tensor:
    """uint8 [K, H, H, 4] -> uint8 [K, 4, size, size], antialiased."""
    picture = torch.from_numpy(colour).permute(0, 3, 1, 2).float()
    picture = F.interpolate(picture, size=(size, size), mode="bilinear", antialias=True)
    return picture.round().clamp(0, 255).byte()
