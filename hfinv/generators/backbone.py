"""z -> w -> an image of many channels: StyleGAN2's two networks, with the official names of all tensors.

A synthesis network is a pyramid of blocks `b4`, `b8`, ... Each block has one or two modulated convolutions
and a `torgb`; block b reads the rows of w from its first convolution on, and its `torgb` reads the same
row as the next block's first convolution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hfinv.generators.layers import (
    ACTIVATIONS,
    Conv2dLayer,
    FullyConnected,
    bias_act,
    full_precision,
    modulated_conv2d,
    normalize_2nd_moment,
    setup_filter,
    unit_normal,
    upsample2d,
)

NOISE_MODES = ("const", "none", "random")
SMALLEST = 4
"""Side of the learned constant that every image grows from."""


class Mapping(nn.Module):
    """z, and the camera if the generator is conditioned on one, to w.

    Args:
        z_dim: Z; 0 for a network of the condition alone.
        c_dim: width of the condition; 0 for none.
        w_dim: D.
        num_ws: L, how many equal rows to return; None returns w itself, never truncated.
        num_layers: of the network after the embedding.
        embed_features: width of the embedded condition; D if None.
        layer_features: width between layers; D if None.
        activation: a key of `ACTIVATIONS`.
        lr_multiplier: of the layers, not of the embedding.
        average_decay: how much of `w_avg` an update keeps.
        last_activation: of the last layer; that of the others if None.
    """

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_ws: int | None,
        num_layers: int = 8,
        embed_features: int | None = None,
        layer_features: int | None = None,
        activation: str = "lrelu",
        lr_multiplier: float = 0.01,
        average_decay: float = 0.998,
        last_activation: str | None = None,
    ) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim, self.num_ws = z_dim, c_dim, w_dim, num_ws
        self.num_layers, self.average_decay = num_layers, average_decay
        embed_features = (embed_features or w_dim) if c_dim else 0
        if c_dim:
            self.embed = FullyConnected(c_dim, embed_features)
        widths = [z_dim + embed_features, *[layer_features or w_dim] * (num_layers - 1), w_dim]
        for i, (before, after) in enumerate(zip(widths, widths[1:])):
            last = i == num_layers - 1
            chosen = last_activation if last and last_activation else activation
            layer = FullyConnected(before, after, activation=chosen, lr_multiplier=lr_multiplier)
            setattr(self, f"fc{i}", layer)
        if num_ws is not None:
            self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Tensor | None,
        c: Tensor | None = None,
        truncation: float = 1.0,
        cutoff: int | None = None,
        update_average: bool = False,
    ) -> Tensor:
        """w of z and c.

        Args:
            z: [B, Z].
            c: [B, c_dim].
            truncation: 1 keeps w, 0 returns the average.
            cutoff: only the first so many rows are truncated; all if None.
            update_average: move `w_avg` towards this batch; for training.

        Returns:
            [B, L, D], all rows equal but for the cutoff; [B, D] if L is None.
        """
        with full_precision(self.fc0.weight):
            parts = [normalize_2nd_moment(z.float())] if self.z_dim else []
            if self.c_dim:
                parts.append(normalize_2nd_moment(self.embed(c.float())))
            w = torch.cat(parts, 1)
            for i in range(self.num_layers):
                w = getattr(self, f"fc{i}")(w)
        if self.num_ws is None:
            return w
        if update_average:
            self.w_avg.copy_(w.detach().mean(0).lerp(self.w_avg, self.average_decay))
        w = w[:, None].repeat(1, self.num_ws, 1)
        return w if truncation == 1 else self._truncate(w, truncation, cutoff)

    def _truncate(self, w: Tensor, truncation: float, cutoff: int | None) -> Tensor:
        if cutoff is None:
            return self.w_avg.lerp(w, truncation)
        return torch.cat([self.w_avg.lerp(w[:, :cutoff], truncation), w[:, cutoff:]], 1)


class SynthesisLayer(nn.Module):
    """A modulated 3 x 3 convolution, noise, bias and leaky ReLU (`conv0`, `conv1`).

    Args:
        in_channels: I.
        out_channels: O.
        w_dim: D.
        resolution: side of the result.
        up: 2 doubles the resolution.
        conv_clamp: the result stays in [-conv_clamp, conv_clamp].
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        up: int = 1,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.resolution, self.up, self.conv_clamp = resolution, up, conv_clamp
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(unit_normal(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("resample_filter", setup_filter())
        self.register_buffer("noise_const", unit_normal(resolution, resolution))

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        noise_mode: str = "const",
        rng: torch.Generator | None = None,
        gain: float = 1.0,
        fused: bool = False,
    ) -> Tensor:
        """[B, I, h, h] and [B, D] -> [B, O, resolution, resolution].

        Args:
            x: features.
            w: one row.
            noise_mode: one of `NOISE_MODES`.
            rng: where random noise comes from.
            gain: multiplies the result and the clamp.
            fused: see `modulated_conv2d`.
        """
        with full_precision(w):
            styles = self.affine(w)
        x = modulated_conv2d(
            x,
            self.weight,
            styles,
            noise=self._noise(len(x), noise_mode, rng),
            up=self.up,
            resample_filter=self.resample_filter,
            padding=1,
            fused=fused,
        )
        clamp = None if self.conv_clamp is None else self.conv_clamp * gain
        return bias_act(x, self.bias, "lrelu", ACTIVATIONS["lrelu"].gain * gain, clamp)

    def _noise(self, batch: int, mode: str, rng: torch.Generator | None) -> Tensor | None:
        if mode not in NOISE_MODES:
            raise ValueError(f"noise_mode is {mode!r}, expected one of {', '.join(NOISE_MODES)}")
        if mode == "none":
            return None
        if mode == "const":
            return self.noise_const * self.noise_strength
        if rng is None:
            raise ValueError("noise_mode 'random' needs a torch.Generator as rng")
        shape = (batch, 1, self.resolution, self.resolution)
        return torch.randn(shape, generator=rng, device=self.weight.device) * self.noise_strength


class ToRGB(nn.Module):
    """A modulated 1 x 1 convolution to the channels of the image, without demodulation.

    Args:
        in_channels: I.
        out_channels: C.
        w_dim: D.
        conv_clamp: the result stays in [-conv_clamp, conv_clamp].
    """

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, conv_clamp: float | None = None
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(unit_normal(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor, fused: bool = False) -> Tensor:
        """[B, I, h, h] and [B, D] -> [B, C, h, h]."""
        with full_precision(w):
            styles = self.affine(w) * self.weight_gain
        x = modulated_conv2d(x, self.weight, styles, demodulate=False, fused=fused)
        return bias_act(x, self.bias, clamp=self.conv_clamp)


class SynthesisBlock(nn.Module):
    """One resolution of the pyramid.

    Args:
        in_channels: I; 0 for the first block, which starts from its learned constant.
        out_channels: O.
        w_dim: D.
        resolution: side of the result.
        image_channels: C.
        is_last: whether the image is taken from here, for architectures other than "skip".
        architecture: "skip" adds up an image over all blocks; "orig" and "resnet" read it off the last.
        conv_clamp: features stay in [-conv_clamp, conv_clamp].
        up: 1 keeps the resolution, of the features and of the image.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        image_channels: int,
        is_last: bool = False,
        architecture: str = "skip",
        conv_clamp: float | None = None,
        up: int = 2,
    ) -> None:
        super().__init__()
        self.up = up
        self.register_buffer("resample_filter", setup_filter())
        if in_channels:
            self.conv0 = SynthesisLayer(
                in_channels, out_channels, w_dim, resolution, up, conv_clamp
            )
        else:
            self.const = nn.Parameter(unit_normal(out_channels, resolution, resolution))
        self.conv1 = SynthesisLayer(out_channels, out_channels, w_dim, resolution, 1, conv_clamp)
        self.num_conv = 2 if in_channels else 1
        self.has_image = is_last or architecture == "skip"
        if self.has_image:
            self.torgb = ToRGB(out_channels, image_channels, w_dim, conv_clamp)
        self.residual = bool(in_channels) and architecture == "resnet"
        if self.residual:
            self.skip = Conv2dLayer(in_channels, out_channels, 1, bias=False, up=up)

    def forward(
        self,
        x: Tensor | None,
        image: Tensor | None,
        ws: Tensor,
        noise_mode: str = "const",
        rng: torch.Generator | None = None,
        fused: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Features and image of this resolution.

        Args:
            x: [B, I, h, h], features of the block before; None in the first block.
            image: [B, C, h, h] of the block before, if it made one.
            ws: [B, at least num_conv + 1, D], the rows from this block's first convolution on.
            noise_mode: one of `NOISE_MODES`.
            rng: where random noise comes from.
            fused: see `modulated_conv2d`.

        Returns:
            features [B, O, resolution, resolution]; image [B, C, resolution, resolution] in float32, or None.
        """
        rows = iter(ws.unbind(1))
        settings = {"noise_mode": noise_mode, "rng": rng, "fused": fused}
        x = self._features(x, rows, settings)
        if image is not None and self.up > 1:
            with full_precision(image):
                image = upsample2d(image, self.resample_filter, self.up)
        if self.has_image:
            # Depth-wise filters are many times faster on a CPU over images stored channel by channel.
            colours = self.torgb(x, next(rows), fused).float().contiguous()
            image = colours if image is None else image + colours
        return x, image

    def _features(self, x: Tensor | None, rows: Iterator[Tensor], settings: dict) -> Tensor:
        if x is None:
            first = next(rows)
            return self.conv1(self.const.expand(len(first), -1, -1, -1), first, **settings)
        if not self.residual:
            return self.conv1(self.conv0(x, next(rows), **settings), next(rows), **settings)
        # Two terms of equal variance, so each is scaled to keep the variance of the sum.
        gain = math.sqrt(0.5)
        straight = self.skip(x, gain=gain)
        return straight + self.conv1(
            self.conv0(x, next(rows), **settings), next(rows), gain=gain, **settings
        )


class Synthesis(nn.Module):
    """w_plus to an image.

    Args:
        w_dim: D.
        resolution: side of the image, a power of two, at least 4.
        out_channels: C of the image.
        channel_base: a block of side r has channel_base / r channels,
        channel_max: but never more than this.
        architecture: see `SynthesisBlock`.
        conv_clamp: features stay in [-conv_clamp, conv_clamp].
    """

    def __init__(
        self,
        w_dim: int,
        resolution: int,
        out_channels: int,
        channel_base: int = 32768,
        channel_max: int = 512,
        architecture: str = "skip",
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        if resolution < SMALLEST or resolution & (resolution - 1):
            raise ValueError(
                f"resolution is {resolution}, expected a power of two from {SMALLEST} on"
            )
        self.w_dim, self.resolution = w_dim, resolution
        self.names: list[str] = []
        self.num_ws = 1
        before, side = 0, SMALLEST
        while side <= resolution:
            after = min(channel_base // side, channel_max)
            last = side == resolution
            block = SynthesisBlock(
                before, after, w_dim, side, out_channels, last, architecture, conv_clamp
            )
            self.names.append(f"b{side}")
            self.add_module(self.names[-1], block)
            self.num_ws += block.num_conv
            before, side = after, 2 * side

    def blocks(self) -> Iterator[SynthesisBlock]:
        """The blocks, smallest first."""
        return (getattr(self, name) for name in self.names)

    def forward(
        self,
        ws: Tensor,
        noise_mode: str = "const",
        rng: torch.Generator | None = None,
        fused: bool = False,
    ) -> Tensor:
        """[B, num_ws, D] -> [B, C, resolution, resolution], float32, unbounded.

        Args:
            ws: w_plus.
            noise_mode: one of `NOISE_MODES`.
            rng: where random noise comes from.
            fused: see `modulated_conv2d`.
        """
        if ws.shape[1:] != (self.num_ws, self.w_dim):
            raise ValueError(f"ws is {list(ws.shape)}, expected [B, {self.num_ws}, {self.w_dim}]")
        x = image = None
        row = 0
        for block in self.blocks():
            rows = ws[:, row : row + block.num_conv + 1]
            x, image = block(x, image, rows, noise_mode, rng, fused)
            row += block.num_conv
        return image
