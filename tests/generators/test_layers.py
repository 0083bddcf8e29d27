"""The bricks against the recorded reference, and against their own definitions."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from fixtures import Case, cases, check_close
from torch import Tensor

from hfinv.generators.layers import (
    Conv2dLayer,
    FullyConnected,
    bias_act,
    conv2d_resample,
    downsample2d,
    filter2d,
    modulated_conv2d,
    normalize_2nd_moment,
    setup_filter,
    upfirdn,
    upsample2d,
)

TOLERANCE = 1e-5
FILTER = setup_filter()


def run_upfirdn(case: Case) -> Tensor:
    a, i = case.args, case.inputs
    pads = tuple(a["padding"])
    return upfirdn(i["x"], i["f"], a["up"], a["down"], pads, a["flip_filter"], a["gain"])


def run_conv2d_resample(case: Case) -> Tensor:
    a, i = case.args, case.inputs
    return conv2d_resample(
        i["x"], i["w"], FILTER, a["up"], a["down"], a["padding"], a["flip_weight"]
    )


def run_bias_act(case: Case) -> Tensor:
    a, i = case.args, case.inputs
    return bias_act(i["x"], i["b"], a["act"], a.get("gain"), a.get("clamp"), a.get("alpha", 0.2))


def run_module(case: Case, cls: type) -> Tensor:
    module = cls(**case.args)
    state = {name: tensor for name, tensor in case.inputs.items() if name != "x"}
    missing, unknown = module.load_state_dict(state, strict=False)
    assert set(missing) <= {"resample_filter"} and not unknown
    return module(case.inputs["x"])


def run_modulated(case: Case, fused: bool = False) -> Tensor:
    a, i = case.args, case.inputs
    settings = {"padding": a["padding"], "demodulate": a["demodulate"], "up": a["up"]}
    return modulated_conv2d(
        i["x"],
        i["weight"],
        i["styles"],
        i.get("noise"),
        resample_filter=FILTER,
        fused=fused,
        **settings,
    )


RUN = {
    "setup_filter": lambda case: setup_filter(case.args["taps"]),
    "fir_upsample2d": lambda case: upsample2d(case.inputs["x"], FILTER),
    "fir_downsample2d": lambda case: downsample2d(case.inputs["x"], FILTER),
    "fir_filter2d": lambda case: filter2d(case.inputs["x"], FILTER),
    "upfirdn2d": run_upfirdn,
    "conv2d_resample": run_conv2d_resample,
    "bias_act": run_bias_act,
    "fully_connected": lambda case: run_module(case, FullyConnected),
    "conv2d_layer": lambda case: run_module(case, Conv2dLayer),
    "normalize_2nd_moment": lambda case: normalize_2nd_moment(case.inputs["x"]),
    "modulated_conv2d": run_modulated,
}
CASES = {name: case for name, case in cases("ops").items() if case.op in RUN}


@pytest.mark.parametrize("name", CASES)
def test_a_brick_gives_what_the_reference_gave(name: str) -> None:
    case = CASES[name]
    (expected,) = case.outputs.values()
    check_close(RUN[case.op](case), expected, TOLERANCE, TOLERANCE)


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.op == "modulated_conv2d"])
def test_scaling_the_weights_gives_what_scaling_the_features_gives(name: str) -> None:
    case = CASES[name]
    check_close(run_modulated(case, fused=True), case.outputs["y"], TOLERANCE, TOLERANCE)


@pytest.mark.parametrize("up", [1, 2, 3])
@pytest.mark.parametrize("down", [1, 2])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (2, 1, 2, 1), (-1, 3, 4, -2), (5, 5, 5, 5)])
def test_upfirdn_is_zero_insertion_then_convolution_then_picking(up, down, padding) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 7, 6, generator=rng)
    kernel = torch.randn(3, 4, generator=rng)
    spread = torch.zeros(2, 3, 7 * up, 6 * up)
    spread[:, :, ::up, ::up] = x
    padded = F.pad(spread, padding)
    slow = F.conv2d(padded.flatten(0, 1)[:, None], kernel.flip((0, 1))[None, None])
    slow = slow.unflatten(0, (2, 3))[:, :, 0, ::down, ::down]
    check_close(upfirdn(x, kernel, up, down, padding), slow, TOLERANCE)


def test_up_sampling_keeps_a_flat_image_flat() -> None:
    image = torch.full((1, 2, 8, 8), 0.7)
    assert torch.allclose(upsample2d(image, FILTER)[:, :, 2:-2, 2:-2], torch.tensor(0.7))


def test_demodulated_features_have_unit_variance_whatever_the_styles() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 64, 32, 32, generator=rng)
    weight, styles = torch.randn(16, 64, 3, 3, generator=rng), 100 * torch.rand(
        2, 64, generator=rng
    )
    y = modulated_conv2d(x, weight, styles, padding=1)[:, :, 1:-1, 1:-1]
    assert (y.std((2, 3)) - 1).abs().max() < 0.15


def test_bfloat16_autocast_loses_no_more_than_bfloat16_rounding() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 32, 16, 16, generator=rng)
    weight, styles = torch.randn(32, 32, 3, 3, generator=rng), torch.rand(1, 32, generator=rng) + 1
    exact = modulated_conv2d(x, weight, styles, padding=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = modulated_conv2d(x, weight, styles, padding=1)
    assert low.dtype == torch.bfloat16
    assert 0 < (low.float() - exact).abs().mean() < 2**-8
    # Of a whole channel: its coefficient was rounded once, from float32.
    ratio = (low.float() * exact).sum((2, 3)) / exact.square().sum((2, 3))
    assert (ratio - 1).abs().max() < 2**-7


def test_a_lower_learning_rate_multiplier_changes_the_stored_weights_not_the_function() -> None:
    torch.manual_seed(0)
    layer = FullyConnected(256, 256, lr_multiplier=0.01)
    assert 80 < layer.weight.std() < 120
    y = layer(torch.randn(64, 256, generator=torch.Generator().manual_seed(1)))
    assert 0.9 < y.std() < 1.1


def test_gradients_reach_features_weights_styles_and_noise() -> None:
    rng = torch.Generator().manual_seed(0)
    shapes = {"x": (2, 3, 5, 5), "weight": (4, 3, 3, 3), "styles": (2, 3), "noise": (10, 10)}
    leaves = {
        name: torch.randn(shape, generator=rng, dtype=torch.float64).requires_grad_()
        for name, shape in shapes.items()
    }
    kernel = FILTER.double()

    def convolve(x, weight, styles, noise):
        return modulated_conv2d(x, weight, styles, noise, up=2, resample_filter=kernel, padding=1)

    # Demodulation runs in float32, so finite differences are coarse.
    assert torch.autograd.gradcheck(
        convolve, tuple(leaves.values()), eps=1e-3, atol=1e-2, rtol=1e-2
    )
