"""A folder of pictures with known cameras, in the layout of EG3D's data sets: nobody knows what is on them.

`dataset.json` holds `{"labels": [[name, [25 numbers]], ...]}`; a label is cam2world row by row, then intrinsics as
fractions of the image side. A PNG's alpha channel is the coverage; a picture without one is all covered, and its
background is learned as a part of the scene, as EG3D does.

Without labels of what is seen, each picture has a code of its own, learned together with the generator: an auto-decoder,
which Rebain et al. (LOLNeRF, CVPR 2022) show to find geometry from single views of a class of things. It
needs no game between two networks to begin with, works with little data, and starts the adversarial lessons, which
make the pictures sharp, from faces that stand where they should. Codes are kept near N(0, 1) and in the end the
generator takes over their mean and spread, so that z from N(0, 1) gives a new face.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hfinv.camera import Camera, from_label
from hfinv.errors import HfinvError
from hfinv.generators.base import Card
from hfinv.generators.heads import Heads
from hfinv.training.dataset import Batch

INDEX = "dataset.json"
"""Marks such a folder."""
LABEL = 25
"""Numbers of a camera."""
SHRINK = 0.1
"""Share of independence that the covariance of few codes is given."""


class PosedImages:
    """Random access to a folder of posed pictures; each is a head of one view, without z or distance."""

    def __init__(self, folder: Path, size: int) -> None:
        """
        Args:
            folder: with `dataset.json`.
            size: H; pictures of another size are resized.

        Raises:
            HfinvError: the index cannot be read, names no pictures, or a picture that is not there.
        """
        self.folder, self.size = folder, size
        try:
            labels = json.loads((folder / INDEX).read_text())["labels"]
            self.names = [str(name) for name, _ in labels]
            self.labels = torch.tensor([label for _, label in labels], dtype=torch.float32)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _faulty(folder, f"cannot be read ({error})") from error
        if self.labels.ndim != 2 or self.labels.shape[1] != LABEL or not len(self.names):
            raise _faulty(folder, f"is {list(self.labels.shape)}, expected [N, {LABEL}]")
        missing = [name for name in self.names if not (folder / name).is_file()]
        if missing:
            raise _faulty(folder, f"names {missing[0]!r}, which is not there")

    def __len__(self) -> int:
        return len(self.names)

    def refresh(self) -> None:
        """Nothing: the index says how many codes there are."""

    @property
    def camera(self) -> Camera:
        """All N cameras."""
        return from_label(self.labels)

    def batch(
        self, indices: list[int], views: int | None = None, rng: np.random.Generator | None = None
    ) -> Batch:
        """The pictures at `indices`, as heads of one view; the other arguments choose nothing."""
        colour = torch.stack([self._read(index) for index in indices])[:, None]  # [B, 1, 4, H, H]
        alpha = colour[:, :, 3:]
        nothing = torch.zeros(len(indices), 1, self.size, self.size)
        image = (2 * colour[:, :, :3] - 1) * alpha
        return Batch(None, from_label(self.labels[indices]), image, alpha, nothing, measured=False)

    def _read(self, index: int) -> Tensor:
        """[4, H, H] in [0, 1], straight colour and coverage."""
        path = self.folder / self.names[index]
        try:
            with Image.open(path) as picture:
                pixels = picture.convert("RGBA")
                if picture.width != picture.height:
                    raise _faulty(self.folder, f"names {self.names[index]!r}, which is not square")
        except OSError as error:
            raise HfinvError(
                f"`{path}` cannot be read: {error}", "copy the picture again"
            ) from error
        if pixels.width != self.size:
            pixels = pixels.resize((self.size, self.size), Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255


def _faulty(folder: Path, what: str) -> HfinvError:
    return HfinvError(
        f"`{folder / INDEX}` {what}",
        'it should hold {"labels": [["00000/img00000000.png", [25 numbers]], ...]}',
    )


def posed_card(card: Card, camera: Camera, z_dim: int) -> Card:
    """The card of a generator of unlabelled pictures: its cameras are those of the pictures.

    Args:
        card: as for labelled heads.
        camera: all cameras of the pictures.
        z_dim: numbers of a code.
    """
    yaw, _ = camera.angles()
    # The point nearest to all optical axes: sum of (I - f f^T) p = sum of (I - f f^T) o, damped towards the origin.
    forward = camera.cam2world[:, :3, 2]
    across = torch.eye(3) - forward[:, :, None] * forward[:, None]
    system = across.sum(0) + 1e-3 * len(camera) * torch.eye(3)
    pivot = torch.linalg.solve(system, (across @ camera.centre[..., None]).sum(0))[:, 0]
    return replace(
        card,
        name="posed",
        factors=(),
        arguments={**card.arguments, "z_dim": z_dim},
        radius=float(camera.centre.norm(dim=1).median()),
        pivot=tuple(float(x) for x in pivot),
        focal=float(camera.intrinsics[:, 0, 0].median()),
        yaw_range=float(min(torch.quantile(yaw.abs(), 0.99), torch.pi)),
        licence="that of the pictures it was trained on",
    )


def new_codes(count: int, z_dim: int, seed: int) -> nn.Embedding:
    """One code a picture, N(0, 1) at first; gradients are sparse, so that only those seen in a step move."""
    start = torch.randn(count, z_dim, generator=torch.Generator().manual_seed(seed))
    return nn.Embedding(count, z_dim, sparse=True, _weight=start)


@torch.no_grad()
def absorb(generator: Heads, codes: Tensor) -> None:
    """Change the mapping so that z from N(0, 1) stands for the codes' own distribution: z -> mean + L z.

    Args:
        generator: changed in place.
        codes: [N, Z].
    """
    centre = codes.mean(0)
    spread = torch.cov(codes.T) if len(codes) > 1 else torch.eye(codes.shape[1]).to(codes)
    spread = spread + 1e-6 * torch.eye(len(spread)).to(spread)
    spread = (1 - SHRINK) * spread + SHRINK * torch.diag(spread.diag())
    root = torch.linalg.cholesky(spread)
    for layer in (generator.mapping.linear, generator.mapping.fc0):
        layer.bias += layer.weight_gain * (layer.weight @ centre)
        layer.weight.copy_(layer.weight @ root)
