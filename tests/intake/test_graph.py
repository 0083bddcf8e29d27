"""Converted models in plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from intake_examples import DATA

from hfinv.errors import WeightsError
from hfinv.image import to_tensor
from hfinv.intake import assets, graph


def run_one(op: str, *inputs: torch.Tensor, weights: tuple = (), **options) -> torch.Tensor:
    return graph.OPERATIONS[op](options, *inputs, *weights)


def test_a_convolution_pads_each_side_by_its_own_number() -> None:
    seed = torch.Generator().manual_seed(0)
    x = torch.randn(1, 2, 5, 6, generator=seed)
    weight, bias = torch.randn(3, 2, 3, 3, generator=seed), torch.randn(3, generator=seed)
    found = run_one("conv", x, weights=(weight, bias), pad=[0, 1, 1, 2], stride=[2, 1], groups=1)
    padded = torch.zeros(1, 2, 8, 7)
    padded[:, :, 1:6, 0:6] = x
    slow = torch.empty_like(found)
    for channel in range(3):
        for row in range(3):
            for column in range(5):
                seen = padded[0, :, 2 * row : 2 * row + 3, column : column + 3]
                slow[0, channel, row, column] = (seen * weight[channel]).sum() + bias[channel]
    assert found.shape == (1, 3, 3, 5)
    torch.testing.assert_close(found, slow)


def test_a_depthwise_convolution_keeps_channels_apart() -> None:
    x = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    weight = torch.zeros(4, 1, 3, 3)
    weight[:, 0, 1, 1] = torch.arange(1.0, 5.0)
    found = run_one(
        "conv", x, weights=(weight, torch.zeros(4)), pad=[1, 1, 1, 1], stride=[1, 1], groups=4
    )
    torch.testing.assert_close(found, x * torch.arange(1.0, 5.0)[:, None, None])


def test_small_operations_match_their_formulas() -> None:
    x = torch.tensor([-4.0, -1.0, 0.0, 2.0, 5.0]).reshape(1, 1, 1, 5)
    slope = torch.tensor([0.25])
    torch.testing.assert_close(
        run_one("prelu", x, weights=(slope,)), torch.where(x > 0, x, 0.25 * x)
    )
    torch.testing.assert_close(run_one("relu", x), x.clamp(min=0))
    torch.testing.assert_close(run_one("hardswish", x), x * (x + 3).clamp(0, 6) / 6)
    torch.testing.assert_close(run_one("sigmoid", x), 1 / (1 + torch.exp(-x)))
    torch.testing.assert_close(run_one("add", x, 2 * x), 3 * x)
    torch.testing.assert_close(run_one("mul", x, x), x**2)


def test_shape_operations_put_values_where_the_original_layout_has_them() -> None:
    x = torch.arange(24.0).reshape(1, 4, 2, 3)
    wide = run_one("widen", x, channels=2)
    assert wide.shape == (1, 6, 2, 3) and not wide[:, 4:].any()
    torch.testing.assert_close(wide[:, :4], x)
    rows = run_one("rows", x, columns=2)  # height, width, then channels, two at a time
    assert rows.shape == (1, 12, 2)
    assert rows[0, 0].tolist() == [x[0, 0, 0, 0], x[0, 1, 0, 0]]
    assert rows[0, 3].tolist() == [x[0, 2, 0, 1], x[0, 3, 0, 1]]
    torch.testing.assert_close(run_one("stack", rows, rows)[:, 12:], rows)
    torch.testing.assert_close(
        run_one("maxpool", x[..., :2], size=[2, 2], stride=[2, 2])[0, :, 0, 0],
        torch.tensor([4.0, 10, 16, 22]),
    )
    torch.testing.assert_close(run_one("mean", x)[0, :, 0, 0], x.mean((2, 3))[0])


def test_enlarging_and_transposed_convolution_match_by_hand() -> None:
    ramp = torch.tensor([0.0, 1.0]).expand(1, 1, 2, 2)
    wide = run_one("resize", ramp, size=[4, 4])  # centres at -0.25, 0.25, 0.75, 1.25 of the old
    torch.testing.assert_close(wide[0, 0, 0], torch.tensor([0.0, 0.25, 0.75, 1.0]))
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 1, 2, 2)
    found = run_one("deconv", ramp, weights=(weight, torch.tensor([0.5])), stride=[2, 2])
    torch.testing.assert_close(
        found[0, 0, :2], torch.tensor([[0.5, 0.5, 1.5, 2.5], [0.5, 0.5, 3.5, 4.5]])
    )


@pytest.mark.parametrize(
    "name, outputs",
    [
        ("face_detection_back", ("boxes", "scores")),
        ("face_detector", ("boxes", "scores")),
        ("face_landmarks_detector", ("points", "presence")),
        ("selfie_segmentation", ("matte",)),
    ],
)
def test_each_model_answers_as_googles_own_runtime_does(name: str, outputs: tuple) -> None:
    stored = np.load(DATA / "intake_litert.npz")  # answers of LiteRT 2.3 to the same picture
    network = graph.load(name)
    step = 256 // network.size
    with torch.inference_mode():
        found = network(to_tensor(stored["face"][::step, ::step]))
    for output in outputs:
        mine = found[output]
        if output == "boxes":
            mine = mine[0, ::16]
        elif output == "matte":
            mine = mine[0, 0, ::4, ::4]
        theirs = torch.from_numpy(stored[f"{name}.{output}"])
        scale = theirs.abs().max().clamp(min=1)
        assert (mine.reshape(theirs.shape) - theirs).abs().max() < 2e-5 * scale


def test_the_gradient_of_a_landmark_reaches_the_picture() -> None:
    stored = np.load(DATA / "intake_litert.npz")["face"]
    picture = to_tensor(stored).requires_grad_()
    network = graph.load("face_landmarks_detector")
    network(picture)["points"].sum().backward()
    direction = F.normalize(picture.grad.flatten(), dim=0).reshape(picture.shape)
    with torch.no_grad():
        step = 1e-2
        up = network(picture + step * direction)["points"].double().sum()
        down = network(picture - step * direction)["points"].double().sum()
    assert ((up - down) / (2 * step)).item() == pytest.approx(picture.grad.norm().item(), rel=0.05)


def test_a_picture_of_the_wrong_size_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="image is .1, 3, 64, 64., expected .B, 3, 256, 256."):
        graph.load("selfie_segmentation")(torch.zeros(1, 3, 64, 64))


def test_a_missing_asset_says_so() -> None:
    with pytest.raises(WeightsError, match="is missing from this installation"):
        assets.path("no_such_model.safetensors")
