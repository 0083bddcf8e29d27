"""The bricks of a StyleGAN2-type generator, in plain PyTorch.

Everything is differentiable and runs under `torch.autocast`: convolutions in the lower precision,
modulation and demodulation coefficients in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = (1.0, 3.0, 3.0, 1.0)
"""The low-pass filter of every re-sampling in these generators, before normalisation."""
EPSILON = 1e-8
"""Keeps roots of sums of squares away from 0."""


@dataclass(frozen=True)
class Activation:
    """A non-linearity and the gain that follows it."""

    function: Callable[[Tensor, float], Tensor]
    """(x, slope) -> y; only the leaky one looks at the slope."""
    gain: float = 1.0


ACTIVATIONS = {
    "linear": Activation(lambda x, slope: x),
    "lrelu": Activation(lambda x, slope: F.leaky_relu(x, slope), math.sqrt(2)),
    "relu": Activation(lambda x, slope: F.relu(x), math.sqrt(2)),
    "swish": Activation(lambda x, slope: F.silu(x), math.sqrt(2)),
    "tanh": Activation(lambda x, slope: torch.tanh(x)),
    "sigmoid": Activation(lambda x, slope: torch.sigmoid(x)),
    "elu": Activation(lambda x, slope: F.elu(x)),
    "selu": Activation(lambda x, slope: F.selu(x)),
    "softplus": Activation(lambda x, slope: F.softplus(x)),
}


def full_precision(x: Tensor) -> AbstractContextManager:
    """A context in which autocast leaves float32 alone, on the device of x."""
    if x.device.type == "meta":  # counted, not computed; autocast does not know that device
        return nullcontext()
    return torch.autocast(x.device.type, enabled=False)


def setup_filter(taps: Sequence[float] = TAPS) -> Tensor:
    """The 2-D low-pass filter of 1-D taps: their outer product, summing to 1, [T, T] float32."""
    line = np.asarray(taps, np.float32)
    square = np.outer(line, line)
    return torch.tensor(square / square.sum())


def upfirdn(
    x: Tensor,
    kernel: Tensor,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    flip: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Put up - 1 zeros after each pixel, pad, convolve, keep every down-th pixel.

    The zeros are never stored: a depth-wise transposed convolution skips them, which on a CPU is also
    faster than one convolution a phase.

    Args:
        x: [B, C, H, W].
        kernel: [h, w], applied as a true convolution.
        up: factor of both axes.
        down: factor of both axes.
        padding: zeros on the left, right, top, bottom, counted after `up`; negative crops.
        flip: correlate instead of convolving.
        gain: multiplies the result.

    Returns:
        [B, C, (H * up + top + bottom - h) // down + 1, likewise].
    """
    kernel = kernel * gain
    correlated = kernel if flip else kernel.flip((0, 1))
    if up == 1:
        x, symmetric = _pad(x, padding)
        return F.conv2d(
            x, _depthwise(x, correlated), stride=down, padding=symmetric, groups=x.shape[1]
        )
    # The transposed convolution returns all positions where kernel and image touch: (H - 1) * up + h.
    height, width = kernel.shape
    left, right, top, bottom = padding
    margin = (left + 1 - width, right + up - width, top + 1 - height, bottom + up - height)
    crop = max(0, min(-m for m in margin))
    weight = _depthwise(x, correlated.flip((0, 1)))
    y = F.conv_transpose2d(x, weight, stride=up, padding=crop, groups=x.shape[1])
    margin = tuple(m + crop for m in margin)
    y = F.pad(y, margin) if any(margin) else y
    return y[..., ::down, ::down] if down > 1 else y


def _depthwise(x: Tensor, kernel: Tensor) -> Tensor:
    """The same [h, w] kernel for each channel of x, [C, 1, h, w]; contiguous, or CPUs take a slow path."""
    return kernel.to(x.dtype).repeat(x.shape[1], 1, 1, 1)


def _pad(x: Tensor, padding: tuple[int, int, int, int]) -> tuple[Tensor, tuple[int, int]]:
    """Leave to the convolution what padding it can do itself: (padded x, its (vertical, horizontal) padding)."""
    left, right, top, bottom = padding
    if left == right >= 0 and top == bottom >= 0:
        return x, (top, left)
    return F.pad(x, padding), (0, 0)


def upsample2d(x: Tensor, kernel: Tensor, up: int = 2) -> Tensor:
    """[B, C, H, W] -> [B, C, up * H, up * W], smoothed by the kernel, brightness kept."""
    taps = kernel.shape[-1]
    before, after = (taps + up - 1) // 2, (taps - up) // 2
    return upfirdn(x, kernel, up=up, padding=(before, after, before, after), gain=up**2)


def downsample2d(x: Tensor, kernel: Tensor, down: int = 2) -> Tensor:
    """[B, C, H, W] -> [B, C, H / down, W / down], smoothed by the kernel first."""
    taps = kernel.shape[-1]
    before, after = (taps - down + 1) // 2, (taps - down) // 2
    return upfirdn(x, kernel, down=down, padding=(before, after, before, after))


def filter2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Smooth [B, C, H, W] by the kernel, size kept."""
    taps = kernel.shape[-1]
    before, after = taps // 2, (taps - 1) // 2
    return upfirdn(x, kernel, padding=(before, after, before, after))


def conv2d_resample(
    x: Tensor,
    weight: Tensor,
    kernel: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: int = 0,
    flip_weight: bool = True,
    groups: int = 1,
) -> Tensor:
    """Convolve and change the resolution by a factor, low-pass filtered.

    Args:
        x: [B, I, H, W].
        weight: [O, I / groups, k, k].
        kernel: the low-pass filter, needed if up or down is above 1; square.
        up: factor of both axes; at most one of up and down is above 1.
        down: factor of both axes.
        padding: zeros on every side, at the resolution before `down` and after `up`.
        flip_weight: True correlates with the weight, as `F.conv2d`; False turns it by 180 degrees.
        groups: of the convolution.

    Returns:
        [B, O, H * up / down, W * up / down] if padding is k // 2.
    """
    size = weight.shape[-1]
    if up > 1:
        return _conv2d_up(x, weight, kernel, up, padding, flip_weight, groups)
    weight = weight if flip_weight else weight.flip((2, 3))
    if down == 1:
        return F.conv2d(x, weight, padding=padding, groups=groups)
    taps = kernel.shape[-1]
    before, after = padding + (taps - down + 1) // 2, padding + (taps - down) // 2
    pads = (before, after, before, after)
    if size == 1:
        return F.conv2d(upfirdn(x, kernel, down=down, padding=pads), weight, groups=groups)
    return F.conv2d(upfirdn(x, kernel, padding=pads), weight, stride=down, groups=groups)


def _conv2d_up(
    x: Tensor, weight: Tensor, kernel: Tensor, up: int, padding: int, flip_weight: bool, groups: int
) -> Tensor:
    size, taps = weight.shape[-1], kernel.shape[-1]
    before, after = padding + (taps + up - 1) // 2, padding + (taps - up) // 2
    if size == 1:
        x = F.conv2d(x, weight, groups=groups)
        return upfirdn(x, kernel, up=up, padding=(before, after, before, after), gain=up**2)
    weight = weight.flip((2, 3)) if flip_weight else weight
    swapped = (
        weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    )  # [I, O / groups, k, k]
    before, after = before - (size - 1), after - (size - up)
    crop = max(min(-before, -after), 0)
    x = F.conv_transpose2d(x, swapped, stride=up, padding=crop, groups=groups)
    before, after = before + crop, after + crop
    return upfirdn(x, kernel, padding=(before, after, before, after), gain=up**2)


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    activation: str = "linear",
    gain: float | None = None,
    clamp: float | None = None,
    slope: float = 0.2,
) -> Tensor:
    """clamp(activation(x + bias) * gain).

    Args:
        x: [B, C, ...].
        bias: [C].
        activation: a key of `ACTIVATIONS`.
        gain: the activation's own if None.
        clamp: the result stays in [-clamp, clamp].
        slope: of the leaky activation below 0.
    """
    if bias is not None:
        x = x + bias.to(x.dtype).view(-1, *[1] * (x.ndim - 2))
    function = ACTIVATIONS[activation]
    x = function.function(x, slope)
    gain = function.gain if gain is None else gain
    x = x * gain if gain != 1 else x
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """Scale each row of [B, C] to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


def unit_normal(*shape: int, divisor: float = 1.0) -> Tensor:
    """Random first weights; on the meta device their shape alone, for arithmetic there takes torch two seconds to prepare."""
    blank = torch.empty(shape)
    return blank if blank.is_meta else torch.randn(shape) / divisor


class FullyConnected(nn.Module):
    """A linear layer whose weights are stored with unit variance (equalised learning rate).

    Args:
        in_features: I.
        out_features: O.
        bias: whether there is one.
        activation: a key of `ACTIVATIONS`.
        lr_multiplier: scales the effective weights and bias, and so their learning rate.
        bias_init: the stored bias at first.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        activation: str = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(unit_normal(out_features, in_features, divisor=lr_multiplier))
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init))) if bias else None
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        bias = self.bias if self.bias is None or self.bias_gain == 1 else self.bias * self.bias_gain
        return bias_act(
            F.linear(x, self.weight * self.weight_gain, bias), activation=self.activation
        )


class Conv2dLayer(nn.Module):
    """A convolution with bias, activation and optional re-sampling.

    Args:
        in_channels: I.
        out_channels: O.
        kernel_size: k, odd.
        bias: whether there is one.
        activation: a key of `ACTIVATIONS`.
        up: factor of both axes.
        down: factor of both axes.
        conv_clamp: the result stays in [-conv_clamp, conv_clamp].
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        bias: bool = True,
        activation: str = "linear",
        up: int = 1,
        down: int = 1,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.activation, self.up, self.down, self.conv_clamp = activation, up, down, conv_clamp
        self.weight = nn.Parameter(unit_normal(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.register_buffer("resample_filter", setup_filter())

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """[B, I, H, W] -> [B, O, H * up / down, W * up / down]."""
        weight = self.weight * self.weight_gain
        padding = weight.shape[-1] // 2
        x = conv2d_resample(
            x, weight, self.resample_filter, self.up, self.down, padding, flip_weight=self.up == 1
        )
        clamp = None if self.conv_clamp is None else self.conv_clamp * gain
        return bias_act(
            x, self.bias, self.activation, ACTIVATIONS[self.activation].gain * gain, clamp
        )


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    noise: Tensor | None = None,
    up: int = 1,
    resample_filter: Tensor | None = None,
    demodulate: bool = True,
    padding: int = 0,
    fused: bool = False,
) -> Tensor:
    """A convolution whose input channels each sample scales by its own styles.

    Args:
        x: [B, I, H, W].
        weight: [O, I, k, k].
        styles: [B, I].
        noise: added to the result, broadcastable to it.
        up: factor of both axes.
        resample_filter: the low-pass filter, needed if up is above 1.
        demodulate: scale each output channel as if x had unit variance.
        padding: zeros on every side.
        fused: scale the weights and run one group a sample, instead of scaling x and the result. The same up
            to rounding, and much slower on a CPU.

    Returns:
        [B, O, H * up, W * up] if padding is k // 2.
    """
    flip_weight = up == 1
    with full_precision(x):
        styles = styles.float()
        if demodulate and x.dtype == torch.float16:  # which cancels any scale, but not its overflow
            most = weight.float().abs().amax((1, 2, 3), keepdim=True)
            weight = weight / (most * math.sqrt(weight[0].numel()))
            styles = styles / styles.abs().amax(1, keepdim=True)
        scale = (
            _demodulation(weight, styles)[..., None, None] if demodulate else None
        )  # [B, O, 1, 1]
    if fused:
        samples = len(x)
        each = weight * styles[:, None, :, None, None]  # [B, O, I, k, k]
        each = each if scale is None else each * scale[..., None]
        y = conv2d_resample(
            x.flatten(0, 1)[None],
            each.flatten(0, 1).to(x.dtype),
            resample_filter,
            up=up,
            padding=padding,
            flip_weight=flip_weight,
            groups=samples,
        ).unflatten(1, (samples, -1))[0]
    else:
        x = x * styles[..., None, None].to(x.dtype)
        y = conv2d_resample(
            x, weight.to(x.dtype), resample_filter, up=up, padding=padding, flip_weight=flip_weight
        )
        y = y if scale is None else y * scale.to(y.dtype)
    return y if noise is None else y + noise.to(y.dtype)


def _demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """[O, I, k, k] and [B, I] -> [B, O]: one over the length of each output channel's modulated weights."""
    power = weight.float().square().sum((2, 3))  # [O, I]
    return (styles.square() @ power.T + EPSILON).rsqrt()
