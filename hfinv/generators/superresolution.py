"""A feature image and its first look to the final image: EG3D's super-resolution networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.generators.backbone import SynthesisBlock
from hfinv.generators.layers import setup_filter

CLAMP = 256.0
"""Bound of all features of networks that were trained in half precision, kept in full precision too."""
FEATURES = 32
"""Channels of the feature image."""
W_DIM = 512
"""Width of w that all of EG3D's networks are built for."""
ROWS = 3
"""Rows of w that a block reads; all are the last one."""


@dataclass(frozen=True)
class Form:
    """What tells the networks apart."""

    output: int
    """Side of the final image, pixels."""
    input: int
    """Side of the feature image that the first block takes."""
    first_up: int
    """By how much the first block enlarges; the second always doubles."""
    channels: tuple[int, int]
    """Of the two blocks."""
    shrinks: bool = True
    """Whether a feature image larger than `input` is resized, or refused."""
    smooths: bool = True
    """Whether a feature image may be smoothed before it is resized."""
    own_filter: bool = True
    """Whether the state dict has a filter of the network itself, which nothing reads."""


FORMS = {
    "8XDC": Form(512, 128, 2, (256, 128), own_filter=False),
    "8X": Form(512, 128, 2, (128, 64)),
    "4X": Form(256, 128, 1, (128, 64), shrinks=False),
    "2X": Form(128, 64, 1, (128, 64)),
    "Deepfp32": Form(256, 128, 1, (128, 64), shrinks=False, smooths=False),
}
"""By the end of the official class names `SuperresolutionHybrid...`."""


class SuperResolution(nn.Module):
    """Two blocks, steered by the last row of w alone.

    Args:
        form: a key of `FORMS`.
        clamped: whether the weights were trained in half precision, and so with clamped features.
        antialias: smooth a feature image that is made smaller first.
        w_dim: D.
        features: channels of the feature image.
    """

    def __init__(
        self,
        form: str,
        clamped: bool = True,
        antialias: bool = True,
        w_dim: int = W_DIM,
        features: int = FEATURES,
    ) -> None:
        super().__init__()
        self.form = FORMS[form]
        self.antialias = antialias and self.form.smooths
        self.half = False
        """Compute in half precision on a GPU, as the official code does there; elsewhere it changes nothing."""
        first, second = self.form.channels
        clamp = CLAMP if clamped else None
        side = self.form.input * self.form.first_up
        self.block0 = SynthesisBlock(
            features, first, w_dim, side, 3, conv_clamp=clamp, up=self.form.first_up
        )
        self.block1 = SynthesisBlock(
            first, second, w_dim, 2 * side, 3, is_last=True, conv_clamp=clamp
        )
        if self.form.own_filter:
            self.register_buffer("resample_filter", setup_filter())

    def forward(
        self,
        rgb: Tensor,
        features: Tensor,
        ws: Tensor,
        noise_mode: str = "none",
        rng: torch.Generator | None = None,
        fused: bool = False,
    ) -> Tensor:
        """The final image.

        Args:
            rgb: [B, 3, h, h] in [-1, 1], nominally; the image so far. Never changed.
            features: [B, 32, h, h].
            ws: [B, L, D].
            noise_mode: see `Synthesis`.
            rng: see `Synthesis`.
            fused: see `modulated_conv2d`.

        Returns:
            [B, 3, H, H], H the output side, nominally in [-1, 1] but not clamped.
        """
        return self.steps(rgb, features, ws, noise_mode, rng, fused)[1]

    def steps(
        self,
        rgb: Tensor,
        features: Tensor,
        ws: Tensor,
        noise_mode: str = "none",
        rng: torch.Generator | None = None,
        fused: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, but the image after the first block too: ([B, 3, s, s], [B, 3, H, H])."""
        rows = ws[:, -1:].expand(-1, ROWS, -1)
        features, rgb = self._resize(features), self._resize(rgb)
        features = features.half() if self.halves(features) else features
        features, between = self.block0(features, rgb, rows, noise_mode, rng, fused)
        return between, self.block1(features, between, rows, noise_mode, rng, fused)[1]

    def halves(self, features: Tensor) -> bool:
        """Whether features are computed with in half precision: if that is chosen, and on a GPU."""
        return self.half and features.is_cuda

    def resizes(self, side: int) -> bool:
        """Whether a feature image of this side is resized before the first block.

        Raises:
            ValueError: the network refuses this side.
        """
        if side > self.form.input and not self.form.shrinks:
            raise ValueError(f"feature image has side {side}, expected at most {self.form.input}")
        return side != self.form.input

    def _resize(self, x: Tensor) -> Tensor:
        if not self.resizes(x.shape[-1]):
            return x
        size = (self.form.input, self.form.input)
        return F.interpolate(
            x, size, mode="bilinear", align_corners=False, antialias=self.antialias
        )
