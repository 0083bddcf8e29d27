"""A folder of photographed heads: made head by head, resumed where it stopped, read in random batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hfinv.camera import FFHQ_FOCAL, FFHQ_RADIUS, Camera, concatenate, from_label, look_at
from hfinv.errors import HfinvError
from hfinv.image import written_aside
from hfinv.training.factors import EXPRESSION, FACTORS, INDEX
from hfinv.training.heads import build_head
from hfinv.training.scene import Scene, photograph

REACH = 2.5
"""Standard deviations, to either side, of an expression that is drawn evenly."""


@dataclass(frozen=True)
class DatasetConfig:
    """How many synthetic heads, and how they are photographed."""

    heads: int = 2000
    """How many heads."""
    views: int = 6
    """Cameras a head; two thirds all around, one third near the front."""
    size: int = 256
    """Side of the colour images, in pixels."""
    distance_size: int = 128
    """Side of the distance maps."""
    supersample: int = 2
    """Rays a pixel along each axis."""
    seed: int = 0
    """Head i of seed s is always the same head."""
    expressive: float = 0.0
    """Share of the heads whose expression is drawn evenly from all its range: hardly any head shuts its eyes by chance,
    and what is not seen is not learnt."""


@dataclass(frozen=True)
class Batch:
    """B heads, K views each."""

    z: Tensor | None
    """[B, Z], the heads' factors; None if nobody knows them."""
    camera: Camera
    """B * K cameras, head by head."""
    image: Tensor
    """[B, K, 3, H, H] in [-1, 1] times coverage: 0 is background."""
    alpha: Tensor
    """[B, K, 1, H, H] in [0, 1]."""
    distance: Tensor
    """[B, K, h, h], along the unit ray, world units; 0 is background."""
    measured: bool = True
    """Whether `distance` is known; if not, it is 0 everywhere."""

    def to(self, device: torch.device) -> Batch:
        """The same on that device."""
        moved = {
            f.name: value.to(device) if hasattr(value, "to") else value
            for f in fields(self)
            for value in [getattr(self, f.name)]
        }
        return Batch(**moved)


def random_cameras(rng: np.random.Generator, views: int) -> Camera:
    """Cameras around a head: a stratified circle, and a third of them near the front.

    Pitch, radius, focal length and the point looked at vary as those of photo crops do.
    """
    around = views - views // 3
    yaw = 2 * math.pi * (np.arange(around) + rng.uniform(0, 1)) / around + rng.normal(
        0, 0.1, around
    )
    yaw = np.concatenate([yaw, rng.normal(0, 0.4, views - around)])
    pitch = np.clip(rng.normal(0.08, 0.2, views), math.radians(-35), math.radians(50))
    return concatenate(
        [
            look_at(
                float(y),
                float(p),
                radius=FFHQ_RADIUS * rng.uniform(0.98, 1.02),
                pivot=tuple(rng.normal(0, 0.008, 3) + [0.0, 0.01, 0.17]),
                focal=FFHQ_FOCAL * rng.uniform(0.97, 1.03),
            )
            for y, p in zip(yaw, pitch)
        ]
    )


def make_head(index: int, config: DatasetConfig) -> dict[str, np.ndarray]:
    """Head number `index` of the dataset, photographed; see `Batch` for what the arrays hold."""
    rng = np.random.default_rng([config.seed, index])
    z = rng.standard_normal(len(FACTORS)).astype(np.float32)
    if config.expressive and rng.uniform() < config.expressive:
        z[[INDEX[factor.name] for factor in EXPRESSION]] = rng.uniform(
            -REACH, REACH, len(EXPRESSION)
        )
    head = build_head(z)
    scene = Scene(head.vertices, head.faces)
    camera = random_cameras(rng, config.views)
    views = [
        photograph(
            scene, head.colours, camera[k], config.size, config.distance_size, config.supersample
        )
        for k in range(config.views)
    ]
    return {
        "z": z,
        "label": camera.label().numpy(),
        "colour": np.stack([v.colour for v in views]),
        "distance": np.stack([v.distance for v in views]),
    }


def make_dataset(
    folder: Path,
    config: DatasetConfig,
    part: tuple[int, int] = (0, 1),
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Write `config.heads` heads, one file each; those already there are kept.

    Args:
        folder: made if missing.
        config: see `DatasetConfig`.
        part: (i, n) makes every n-th head from the i-th on, so that n processes share the work.
        report: called with (done, of) after each head.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(part[0], config.heads, part[1]):
        path = folder / f"head_{index:05d}.npz"
        if not path.exists():
            with written_aside(path, shared=True) as aside:
                np.savez(aside, **make_head(index, config))
        if report:
            report(index + 1, config.heads)


class Pictures(Protocol):
    """Heads that can be drawn from at random."""

    def __len__(self) -> int:
        """How many heads."""

    def refresh(self) -> None:
        """Find the heads that were added meanwhile."""

    def batch(
        self, indices: list[int], views: int | None = None, rng: np.random.Generator | None = None
    ) -> Batch:
        """Those heads, with all or `views` random views of each; see `HeadFolder.batch`."""


class HeadFolder:
    """Random access to a folder that `make_dataset` wrote."""

    def __init__(self, folder: Path) -> None:
        """
        Raises:
            HfinvError: the folder holds no heads.
        """
        self.folder = folder
        self.refresh()
        if not self.files:
            raise HfinvError(
                f"`{folder}` holds no heads",
                "leave `--data` out: `hfinv train generator` then makes its own",
            )

    def refresh(self) -> None:
        """Find the heads that were added meanwhile."""
        self.files = sorted(self.folder.glob("head_*.npz"))

    def __len__(self) -> int:
        return len(self.files)

    def batch(
        self, indices: list[int], views: int | None = None, rng: np.random.Generator | None = None
    ) -> Batch:
        """The heads at `indices`; a random choice of `views` of their views if given.

        Args:
            indices: B numbers below `len(self)`.
            views: K; all if None.
            rng: chooses the views.

        Raises:
            HfinvError: a head was made with other factors.
        """
        heads = []
        for index in indices:
            with np.load(self.files[index], allow_pickle=False) as head:
                keep = (
                    slice(None)
                    if views is None
                    else np.sort(rng.choice(len(head["label"]), views, replace=False))
                )
                heads.append({k: head[k] if k == "z" else head[k][keep] for k in head.files})
                if len(heads[-1]["z"]) != len(FACTORS):
                    raise HfinvError(
                        f"`{self.files[index]}` was made with {len(heads[-1]['z'])} factors, now there are {len(FACTORS)}",
                        "remove the folder, or name another one: the heads are then made anew",
                    )
        stacked = {k: torch.from_numpy(np.stack([h[k] for h in heads])) for k in heads[0]}
        colour = stacked["colour"].permute(0, 1, 4, 2, 3).float() / 255  # [B, K, 4, H, H]
        alpha = colour[:, :, 3:]
        return Batch(
            stacked["z"],
            from_label(stacked["label"]),
            2 * colour[:, :, :3] - alpha,
            alpha,
            stacked["distance"],
        )
