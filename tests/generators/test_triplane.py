"""Planes and decoder against the recorded reference and by hand."""

from __future__ import annotations

import pytest
import torch
from fixtures import Case, cases, check_close

from hfinv.generators.triplane import MARGIN, PLANE_ORDERS, Decoder, sample_planes

TOLERANCE = 1e-5
CASES = cases("rendering_eg3d")


def case_decoder(case: Case, prefix: str = "state.") -> Decoder:
    """The decoder of a recorded case with its weights."""
    state = case.state(prefix)
    hidden, features = state["net.0.weight"].shape
    decoder = Decoder(features, hidden, len(state["net.2.bias"]) - 1)
    decoder.load_state_dict(state)
    return decoder


@pytest.mark.parametrize("name", ["eg3d_sample_planes", "eg3d_sample_planes_bw1.6"])
def test_planes_hold_at_points_what_the_reference_found(name: str) -> None:
    case = CASES[name]
    found = sample_planes(case.inputs["planes"], case.inputs["points"], case.args["box_warp"])
    check_close(found, case.outputs["features"], TOLERANCE)


def test_the_eg3d_order_is_the_recorded_projection() -> None:
    case = CASES["eg3d_project"]
    uv = case.outputs["uv"].unflatten(0, (-1, 3))[..., :2]  # [B, 3, N, 2]
    for plane, axes in enumerate(PLANE_ORDERS["eg3d"]):
        check_close(case.inputs["points"][..., list(axes)], uv[:, plane], TOLERANCE)


@pytest.mark.parametrize("order, axes", [(name, PLANE_ORDERS[name]) for name in ("eg3d", "fixed")])
def test_a_point_at_a_texel_centre_reads_that_texel_of_each_plane(order: str, axes: tuple) -> None:
    planes = torch.arange(3 * 4 * 4.0).reshape(1, 3, 1, 4, 4)
    index = torch.tensor([[3, 0, 2], [1, 2, 0]])  # texel numbers along x, y, z
    points = (index + 0.5) / 4 * 2 - 1
    found = sample_planes(planes, points[None], box=2.0, order=order)[0, :, :, 0]
    for plane, (across, down) in enumerate(axes):
        expected = planes[0, plane, 0, index[:, down], index[:, across]]
        check_close(found[plane], expected, TOLERANCE)


def test_the_plane_order_changes_what_is_seen() -> None:
    case = CASES["eg3d_sample_planes"]
    eg3d, fixed = (
        sample_planes(case.inputs["planes"], case.inputs["points"], 1.0, order)
        for order in ("eg3d", "fixed")
    )
    assert torch.equal(eg3d[:, :2], fixed[:, :2])
    assert (eg3d[:, 2] - fixed[:, 2]).abs().mean() > 0.1


def test_points_outside_the_box_see_nothing() -> None:
    points = torch.tensor([[[0.7, 0.7, 0.7], [-0.7, 0.7, -0.7]]])
    assert sample_planes(torch.ones(1, 3, 2, 8, 8), points, box=1.0).eq(0).all()


def test_shared_planes_are_the_same_as_copied_planes() -> None:
    case = CASES["eg3d_sample_planes"]
    planes, points = case.inputs["planes"][:1], case.inputs["points"]
    copied = sample_planes(planes.expand(2, -1, -1, -1, -1), points, 1.0)
    check_close(sample_planes(planes, points, 1.0), copied, 1e-6)


def test_the_decoder_gives_what_the_reference_gave() -> None:
    case = CASES["eg3d_decoder_"]
    colours, sigma = case_decoder(case, "decoder." if case.state("decoder.") else "state.")(
        case.inputs["features"]
    )
    check_close(colours, case.outputs["rgb"], TOLERANCE)
    check_close(sigma, case.outputs["sigma"], TOLERANCE)


def test_colours_reach_a_little_beyond_0_and_1() -> None:
    decoder = Decoder(4, 8, 2)
    with torch.no_grad():
        decoder.net[2].bias.copy_(torch.tensor([0.0, 100.0, -100.0]))
        decoder.net[2].weight.zero_()
    colours, _ = decoder(torch.zeros(1, 3, 5, 4))
    check_close(colours[0, 0], torch.tensor([1 + MARGIN, -MARGIN]), 1e-6)


def test_gradients_reach_planes_points_and_weights() -> None:
    case = CASES["eg3d_sample_planes"]
    planes = case.inputs["planes"].clone().requires_grad_()
    points = case.inputs["points"].clone().requires_grad_()
    decoder = Decoder(planes.shape[2], 8, 2)
    colours, sigma = decoder(sample_planes(planes, points, 1.0))
    (colours.square().sum() + sigma.square().sum()).backward()
    assert all(t.grad.abs().max() > 0 for t in (planes, points, *decoder.parameters()))


def test_halves_read_the_front_plane_in_front_and_the_back_plane_behind() -> None:
    planes = torch.zeros(1, 4, 1, 8, 8)
    planes[:, 0], planes[:, 3] = 1.0, -1.0
    points = torch.tensor([[[0.0, 0.0, 0.2], [0.0, 0.0, -0.2], [0.0, 0.0, 0.0]]])
    planes[:, 1], planes[:, 2] = 0.5, 1.5
    sampled = sample_planes(planes, points, 1.0, "halves")
    assert sampled.shape == (1, 1, 3, 1)  # the mean over the three
    assert torch.allclose(sampled[0, 0, :, 0], torch.tensor([3.0, 1.0, 2.0]) / 3)
