"""Rays, samples and compositing against the recorded reference and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from fixtures import Case, cases, check_close
from test_triplane import case_decoder
from torch import Tensor

from hfinv.camera import Camera, from_label, look_at, pinhole
from hfinv.generators import raymarch
from hfinv.generators.ray_samples import (
    box_limits,
    fine_offsets,
    importance,
    sample_pdf,
    stratified,
)
from hfinv.generators.raymarch import (
    RayOptions,
    march,
    mean_distance,
    interval_weights,
    importance_of,
    render_rays,
    trimmed,
)

TOLERANCE = 1e-5
WHOLE = 1e-4
"""Of a whole rendering, as the fixtures' manual recommends."""
FAINT = 1e-4
"""Opacity under which a distance is a ratio of rounding errors: there float64 is 6e-4 off the float32 reference."""
POLES = {"lookat_6", "lookat_7"}
CASES = cases("rendering_eg3d")
OTHER_OPERATIONS = {"project_onto_planes", "sample_from_planes", "decoder"}
"""Tested with the planes."""


def elevation(pitch: float) -> float:
    """EG3D's vertical angle in excess of pi / 2 as a true angle: its sine is linear in it, downwards."""
    v = min(max(math.pi / 2 + pitch, 1e-5), math.pi - 1e-5)
    return math.asin(1 - 2 * v / math.pi)


def run_look_at(case: Case) -> dict[str, Tensor]:
    a = case.args
    yaw, pitch = a["horizontal_mean"] - math.pi / 2, a["vertical_mean"] - math.pi / 2
    pivot = tuple(a.get("lookat", (0.0, 0.0, 0.0)))
    return {"cam2world": look_at(yaw, elevation(pitch), a["radius"], pivot).cam2world}


def run_field_of_view(case: Case) -> dict[str, Tensor]:
    # EG3D's field of view is the diagonal, with pi and the root of 2 cut short.
    return {"K": pinhole(1 / (math.tan(case.args["fov_degrees"] * 3.14159 / 360) * 1.414))}


def run_ray_sampler(case: Case) -> dict[str, Tensor]:
    camera = Camera(case.inputs["cam2world"], case.inputs["intrinsics"])
    return dict(zip(("origins", "dirs"), camera.rays(case.args["resolution"])))


def run_box_limits(case: Case) -> dict[str, Tensor]:
    limits = box_limits(case.inputs["origins"], case.inputs["dirs"], case.args["box_side_length"])
    return dict(zip(("t_near", "t_far"), limits))


def run_linspace(case: Case) -> dict[str, Tensor]:
    u = torch.zeros(*case.inputs["start"].shape[:2], case.args["num"])
    spread = stratified(case.inputs["start"], case.inputs["stop"], u)
    return {"y": spread.movedim(-1, 0)[..., None]}


def run_stratified(case: Case) -> dict[str, Tensor]:
    near, far = (
        case.inputs[key] if key in case.inputs else torch.tensor(case.args[key])
        for key in ("ray_start", "ray_end")
    )
    u = case.inputs["u"].squeeze(-1)
    disparity = case.args["disparity_space_sampling"]
    found = {"depths": stratified(near, far, u, disparity)[..., None]}
    if "depths_u0.5" in case.outputs:
        middle = stratified(near, far, torch.full_like(u, 0.5), disparity)
        found["depths_u0.5"] = middle[..., None]
    return found


def run_importance(case: Case) -> dict[str, Tensor]:
    z, w = case.inputs["z_vals"].squeeze(-1), case.inputs["weights"].squeeze(-1)
    shape = (*z.shape[:2], case.args["N_importance"])
    middle = fine_offsets(shape, None, z.device)
    return {
        "depths": importance(z, w, case.inputs["u"].reshape(shape))[..., None],
        "depths_u_mid": importance(z, w, middle)[..., None],
    }


def run_sample_pdf(case: Case) -> dict[str, Tensor]:
    i, count = case.inputs, case.args["N_importance"]
    even = torch.linspace(0, 1, count).expand(len(i["bins"]), -1)
    return {
        "samples": sample_pdf(i["bins"], i["weights"], i["u"]),
        "samples_det_linspace01": sample_pdf(i["bins"], i["weights"], even),
    }


def run_marcher(case: Case) -> dict[str, Tensor]:
    i = case.inputs
    rgb, depth, weights = march(
        i["colors"], i["densities"].squeeze(-1), i["depths"].squeeze(-1), case.args["white_back"]
    )
    return {"rgb": rgb * 2 - 1, "depth": depth, "weights": weights[..., None]}


def options_of(case: Case) -> RayOptions:
    a = case.args
    return RayOptions(
        near=a["ray_start"],
        far=a["ray_end"],
        coarse=a["depth_resolution"],
        fine=a["depth_resolution_importance"],
        box=a["box_warp"],
        white_back=a.get("white_back", False),
        disparity=a["disparity_space_sampling"],
    )


def run_renderer(case: Case, chunk: int | None = None) -> dict[str, Tensor]:
    i = case.inputs
    decoder = case_decoder(case, "decoder.")
    rendered = render_rays(
        i["planes"], decoder, i["origins"], i["dirs"], options_of(case), chunk=chunk
    )
    features, distance, opacity = rendered
    return {"features": features * 2 - 1, "depth": distance, "weights_sum": opacity}


RUN = {
    "look_at_pose": run_look_at,
    "pose_looking_at_origin": run_look_at,
    "fov_to_intrinsics": run_field_of_view,
    "mirror_label": lambda case: {"labels": from_label(case.inputs["labels"]).mirrored().label()},
    "ray_sampler": run_ray_sampler,
    "ray_limits_box": run_box_limits,
    "batched_linspace": run_linspace,
    "sample_stratified": run_stratified,
    "sample_importance": run_importance,
    "sample_pdf": run_sample_pdf,
    "ray_marcher": run_marcher,
}
PARTS = [name for name, case in CASES.items() if case.op in RUN]
RENDERERS = [name for name, case in CASES.items() if case.op == "importance_renderer"]
STANDARD = CASES["eg3d_renderer_std"]


@pytest.mark.parametrize("name", PARTS)
def test_a_part_gives_what_the_reference_gave(name: str) -> None:
    case = CASES[name]
    found = RUN[case.op](case)
    assert found.keys() == case.outputs.keys()
    for key, expected in case.outputs.items():
        check_close(found[key], expected, WHOLE if name in POLES else TOLERANCE)


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("chunk", [None, 7])
def test_the_whole_renderer_gives_what_the_reference_gave(name: str, chunk: int | None) -> None:
    case = CASES[name]
    found = run_renderer(case, chunk)
    check_close(found["features"], case.outputs["features"], WHOLE)
    check_close(found["weights_sum"], case.outputs["weights_sum"], WHOLE)
    seen = case.outputs["weights_sum"] > FAINT
    assert seen.float().mean() > 0.5
    check_close(found["depth"][seen], case.outputs["depth"][seen], WHOLE)
    check_close(found["depth"], case.outputs["depth"], 1e-3)


def test_every_recorded_operation_is_tested() -> None:
    tested = {CASES[name].op for name in PARTS + RENDERERS} | OTHER_OPERATIONS
    assert tested == {case.op for case in CASES.values()}


@pytest.mark.parametrize("name", RENDERERS)
def test_chunks_change_nothing_not_even_the_distance_of_empty_rays(name: str) -> None:
    whole, chunked = run_renderer(CASES[name]), run_renderer(CASES[name], chunk=5)
    for key, expected in whole.items():
        check_close(chunked[key], expected, 2e-6 if key != "depth" else 1e-4)
    empty = whole["weights_sum"] == 0
    assert torch.equal(whole["depth"][empty], chunked["depth"][empty])


def test_a_bound_on_memory_changes_neither_the_picture_nor_its_gradients() -> None:
    found = {}
    for memory in (None, 200_000):
        i = STANDARD.inputs
        planes, origins = (
            i["planes"].clone().requires_grad_(),
            i["origins"].clone().requires_grad_(),
        )
        decoder = case_decoder(STANDARD, "decoder.")
        options = replace(options_of(STANDARD), memory=memory)
        features, distance, opacity = render_rays(planes, decoder, origins, i["dirs"], options)
        (features.square().mean() + distance.mean() + opacity.mean()).backward()
        weight = decoder.net[0].weight.grad
        found[memory] = (features, distance, planes.grad, origins.grad, weight)
    for whole, chunked in zip(found[None], found[200_000]):
        check_close(chunked, whole, 2e-6, rtol=1e-4)


def test_a_fog_of_constant_density_absorbs_as_beer_and_lambert_say() -> None:
    distances = torch.linspace(1, 3, 50).reshape(1, 1, -1)
    sigma = torch.full_like(distances, 2.0)
    features = torch.full((1, 1, 50, 1), 0.3)
    composed, _, weights = march(features, sigma, distances)
    opacity = 1 - math.exp(-2 * math.log1p(math.exp(2.0 - 1)))
    assert weights.sum().item() == pytest.approx(opacity, abs=1e-5)
    assert composed.item() == pytest.approx(0.3 * opacity, abs=1e-5)


def test_a_wall_is_seen_where_it_stands() -> None:
    distances = torch.linspace(1, 3, 401).reshape(1, 1, -1)
    sigma = torch.where(distances > 2.2, 1e4, -1e4)
    weights = interval_weights(sigma, distances)
    assert mean_distance(weights, distances).item() == pytest.approx(2.2, abs=0.01)
    assert weights.sum().item() == pytest.approx(1, abs=1e-5)


def scene() -> tuple[Tensor, torch.nn.Module, RayOptions]:
    planes = STANDARD.inputs["planes"].clone()
    return planes, case_decoder(STANDARD, "decoder."), options_of(STANDARD)


def test_without_jitter_twice_is_the_same_and_with_jitter_the_seed_decides() -> None:
    planes, decoder, options = scene()
    rays = look_at(torch.tensor([0.2, -0.4])).rays(6)

    def render(seed: int | None = None, chunk: int | None = None) -> Tensor:
        jitter = None if seed is None else torch.Generator().manual_seed(seed)
        return render_rays(planes, decoder, *rays, options, jitter, chunk)[0]

    assert torch.equal(render(), render())
    assert torch.equal(render(1), render(1))
    check_close(render(1), render(1, chunk=5), 1e-4)
    assert (render(1) - render(2)).abs().mean() > 1e-3


def test_shared_planes_render_as_copied_planes() -> None:
    planes, decoder, options = scene()
    rays = look_at(torch.tensor([0.2, -0.4, 1.0])).rays(6)
    shared = render_rays(planes[:1], decoder, *rays, options)
    copied = render_rays(planes[:1].expand(3, -1, -1, -1, -1), decoder, *rays, options)
    for one, other in zip(shared, copied):
        check_close(one, other, WHOLE)


def test_the_plane_order_changes_the_picture() -> None:
    planes, decoder, options = scene()
    rays = look_at(0.5).rays(6)
    one, other = (
        render_rays(planes[:1], decoder, *rays, replace(options, order=order))[0]
        for order in ("eg3d", "fixed")
    )
    assert (one - other).abs().mean() > 1e-2


def test_gradients_reach_planes_decoder_and_camera() -> None:
    planes, decoder, options = scene()
    planes.requires_grad_()
    camera = look_at(0.3)
    camera.cam2world.requires_grad_()
    camera.intrinsics.requires_grad_()
    features, distance, opacity = render_rays(planes[:1], decoder, *camera.rays(6), options)
    (features.mean() + distance.mean() + opacity.mean()).backward()
    reached = (planes, camera.cam2world, camera.intrinsics, *decoder.parameters())
    assert all(t.grad.isfinite().all() and t.grad.abs().max() > 0 for t in reached)


@pytest.mark.parametrize("shared", [True, False])
def test_faint_samples_change_neither_the_picture_nor_much_of_the_gradient(
    shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raymarch, "CHUNK", 11)  # 64 rays are looked at a few at once, unevenly
    planes, decoder, options = scene()
    planes = (
        planes[:1]
        if shared
        else planes[[0, 0]] * torch.tensor([1.0, 0.5])[:, None, None, None, None]
    )

    def render(faint: float) -> tuple[Tensor, Tensor]:
        """Features, and what the gradients of planes, camera and decoder are."""
        leaf, camera = planes.clone().requires_grad_(), look_at(torch.tensor([0.2, -0.4]))
        camera.cam2world.requires_grad_()
        decoder.zero_grad()
        marched = render_rays(leaf, decoder, *camera.rays(8), replace(options, faint=faint))
        sum((x * torch.linspace(-1, 1, x.numel()).view_as(x)).sum() for x in marched).backward()
        found = (leaf, camera.cam2world, *decoder.parameters())
        return marched[0].detach(), [x.grad.clone() for x in found]

    exact, gradients = render(0.0)
    sparse, approximate = render(1e-4)
    check_close(sparse, exact, 1e-5)
    for one, other in zip(approximate, gradients):
        assert (one - other).norm() < 0.01 * other.norm()
    nothing = render(1e9)[1]  # all are faint: the option does something
    assert all((x == 0).all() for x in nothing)


def test_what_matters_is_the_surface_not_the_air_before_it_nor_what_it_hides() -> None:
    sigma = torch.tensor([-30.0, -30, -30, 60, 60, 60, 60])
    matters = importance_of(sigma, torch.linspace(1, 4, 7)) > 1e-3
    assert matters.tolist() == [False, False, True, True, False, False, False]


def test_one_auto_limit_alone_and_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        RayOptions(near="auto")
    with pytest.raises(ValueError, match="coarse is 3, expected at least 4"):
        RayOptions(coarse=3, fine=8)


def test_the_top_of_the_box_is_emptied_and_nothing_else() -> None:
    points = torch.tensor([[0.0, 0.42, 0.0], [0.0, 0.40, 0.0], [0.0, -0.49, 0.0], [0.45, 0.0, 0.0]])
    solid = torch.full((4,), 5.0)
    left = trimmed(solid, points, RayOptions(crop_top=0.09))
    assert left[0] < -5 and torch.equal(left[1:], solid[1:])
    assert torch.equal(trimmed(solid, points, RayOptions()), solid)
