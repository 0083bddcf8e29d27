"""The super-resolution networks against the recorded reference; weights and inputs by recipe."""

from __future__ import annotations

import functools
import json

import pytest
import recipe
import torch
from fixtures import DATA, check_close
from safetensors.torch import load_file
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from hfinv.generators.superresolution import FORMS, SuperResolution

TOLERANCE = 1e-5
PREFIX = "SuperresolutionHybrid"
ENTRIES = {entry["name"]: entry for entry in json.loads((DATA / "sr.json").read_text())}
IMAGES = [n for n, e in ENTRIES.items() if e["op"] == "sr" and "result" not in e["args"]]
EXPECTED = load_file(DATA / "sr.safetensors")


@functools.cache
def network(form: str) -> SuperResolution:
    made = SuperResolution(form)
    recipe.fill(made, "superresolution.")
    return made.requires_grad_(False).to(memory_format=torch.channels_last)


def inputs(side: int) -> tuple[Tensor, Tensor, Tensor]:
    """The recorded rgb, features and ws."""
    features = recipe.rounded(0.5 * recipe.normals(f"input:sr.x{side}", (1, 32, side, side)))
    return features[:, :3], features, recipe.rounded(recipe.normals("input:sr.ws", (1, 14, 512)))


@pytest.mark.parametrize("name", IMAGES)
def test_the_image_is_the_references(name: str) -> None:
    args = ENTRIES[name]["args"]
    rgb, features, ws = inputs(args["input"])
    between, image = network(args["cls"].removeprefix(PREFIX)).steps(rgb, features, ws)
    stride, (low, high) = args["stride"], args["crop"]
    check_close(image[:, :, ::stride, ::stride], EXPECTED[f"{name}.image_strided"], TOLERANCE)
    check_close(image[:, :, low:high, low:high], EXPECTED[f"{name}.image_crop"], TOLERANCE)
    spread = torch.stack([image.mean((0, 2, 3)), image.std((0, 2, 3), unbiased=False)])
    check_close(spread, EXPECTED[f"{name}.mean_std"], TOLERANCE)
    # The reference adds the first block's colours to its input in place; we return them instead.
    after = between if args["rgb_input_modified_in_place"] else rgb
    check_close(after[:, :, ::4, ::4], EXPECTED[f"{name}.rgb_after"], TOLERANCE)


@pytest.mark.parametrize(
    "name", [n for n in IMAGES if f"{n}.image_strided_noise_const" in EXPECTED]
)
def test_the_image_with_noise_is_the_references(name: str) -> None:
    args = ENTRIES[name]["args"]
    image = network(args["cls"].removeprefix(PREFIX))(*inputs(args["input"]), noise_mode="const")
    found = image[:, :, :: args["stride"], :: args["stride"]]
    check_close(found, EXPECTED[f"{name}.image_strided_noise_const"], TOLERANCE)


@pytest.mark.parametrize("form", FORMS)
def test_the_tensors_are_named_and_shaped_as_the_official_ones(form: str) -> None:
    found = {name: list(t.shape) for name, t in network(form).state_dict().items()}
    same = {"Deepfp32": "4X"}.get(form, form)  # an earlier 4X, with the same tensors
    assert found == ENTRIES[f"{PREFIX}{same}_state_shapes"]["args"]


def test_every_recorded_case_is_tested() -> None:
    refused = {"SuperresolutionHybrid4X_in160"}
    shapes = {f"{PREFIX}{form}_state_shapes" for form in FORMS if form != "Deepfp32"}
    assert ENTRIES.keys() == {*IMAGES} | refused | shapes


def test_4x_refuses_a_feature_image_that_is_too_large() -> None:
    with pytest.raises(ValueError, match="side 160, expected at most 128"):
        network("4X")(*inputs(160))


def test_only_the_last_row_steers_and_the_input_is_never_changed() -> None:
    rgb, features, ws = inputs(64)
    before = rgb.clone()
    image = network("2X")(rgb, features, ws)
    other = ws.clone()
    other[:, :-1] = 0
    assert torch.equal(image, network("2X")(rgb, features, other))
    assert not torch.equal(image, network("2X")(rgb, features, 0 * ws))
    assert torch.equal(rgb, before)


def test_half_precision_is_chosen_on_a_gpu_alone() -> None:
    made = SuperResolution("2X")
    assert not made.half and not made.halves(torch.zeros(1))
    made.half = True
    assert not made.halves(torch.zeros(1))
    with FakeTensorMode():  # a tensor that says it is on a GPU, and needs none
        assert made.halves(torch.empty(1, device="cuda"))


def test_half_precision_is_what_the_notes_measured_off_full_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rgb, features, ws = inputs(64)
    made = network("2X")
    full = made(rgb, features, ws)
    monkeypatch.setattr(SuperResolution, "halves", lambda self, features: True)
    seen = []
    hook = made.block1.register_forward_hook(lambda module, given, made: seen.append(given[0]))
    half = made(rgb, features, ws)
    hook.remove()
    assert seen[0].dtype == torch.float16 and half.dtype == torch.float32
    error = (half - full).abs() / full.std()  # 8XDC: 4e-3 at most, 6e-4 on average
    assert 0 < error.mean() < 2e-3 and error.max() < 2e-2


def test_gradients_reach_features_and_w_through_frozen_weights() -> None:
    _, features, ws = inputs(48)
    features.requires_grad_()
    ws.requires_grad_()
    network("2X")(features[:, :3], features, ws).square().mean().backward()
    assert features.grad.abs().amax((0, 2, 3)).gt(0).all()
    assert ws.grad[:, -1].abs().max() > 0 and ws.grad[:, :-1].eq(0).all()
