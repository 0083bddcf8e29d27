"""PanoHead against the recorded reference: its parts, a small one, and the real size; weights by recipe."""

from __future__ import annotations

import functools
import json

import pytest
import recipe
import torch
from fixtures import DATA, Case, cases, check_close, recorded
from torch import Tensor

from hfinv.camera import from_label, look_at
from hfinv.generators.official import Found, card_of
from hfinv.generators.panohead import PanoHead
from hfinv.generators.raymarch import RayOptions, cropped, march, render_rays
from hfinv.generators.triplane import Decoder, sample_planes

CASES = cases("rendering_panohead")
PART, WHOLE = 1e-5, 1e-4
FIELD, MAPPED = 1e-4, 1e-5
CHANNELS = 4
TINY_SIZE = 64


def check_image(found: Tensor, expected: Tensor, mean: float = 2e-5) -> None:
    """Single rays may flip at the hard edge of the crop, so all but a thousandth must agree."""
    assert found.shape == expected.shape
    error = (found - expected).abs()
    assert error.mean() <= mean and error.flatten().quantile(0.999) <= 1e-3


def decoder_of(case: Case, prefix: str, arguments: dict) -> Decoder:
    made = Decoder(
        CHANNELS, 64, arguments["decoder_output_dim"], activation=arguments["decoder_activation"]
    )
    made.load_state_dict(case.state(prefix))
    return made


def slices(planes: Tensor) -> Tensor:
    """[B, 3, C * D, h, w] as recorded, features before depth -> [B, 3 * D, C, h, w]."""
    stacked = planes.reshape(len(planes), 3, CHANNELS, -1, *planes.shape[-2:])
    return stacked.transpose(2, 3).flatten(1, 2)


@pytest.mark.parametrize("name", ["panohead_sample_planes", "panohead_sample_planes_bw1.6"])
def test_the_tri_grid_is_sampled_as_the_reference_does(name: str) -> None:
    case = CASES[name]
    points, box = case.inputs["points"], case.args["box_warp"]
    found = sample_planes(slices(case.inputs["planes"]), points, box, "trigrid")
    check_close(found, case.outputs["features"], PART)


def test_a_single_slice_is_no_plane_it_fades_along_the_third_axis() -> None:
    planes = torch.ones(1, 3, 1, 8, 8)
    points = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 0.25], [0.0, 0.0, 0.45]]])
    found = sample_planes(planes, points, 1.0, "trigrid")[0, 0, :, 0]
    check_close(found, torch.tensor([1.0, 0.75, 0.55]), 1e-6)


@pytest.mark.parametrize("activation", ["none", "sigmoid", "lrelu"])
def test_the_decoder_is_the_references(activation: str) -> None:
    case = CASES[f"panohead_decoder_{activation}"]
    rgb, sigma = decoder_of(case, "state.", case.args)(case.inputs["features"])
    check_close(rgb, case.outputs["rgb"], PART)
    check_close(sigma, case.outputs["sigma"], PART)


@pytest.mark.parametrize("name", ["panohead_marcher_wb0", "panohead_marcher_wb1"])
def test_the_marcher_is_the_references(name: str) -> None:
    case = CASES[name]
    i = case.inputs
    rays = (i["colors"], i["densities"].squeeze(-1), i["depths"].squeeze(-1))
    rgb, depth, weights = march(*rays, case.args["white_back"])
    check_close(rgb, case.outputs["rgb"], PART)
    check_close(depth, case.outputs["depth"], PART)
    check_close(weights[..., None], case.outputs["weights"], PART)


def test_the_crop_cuts_where_the_reference_cuts() -> None:
    case = CASES["panohead_crop_mask"]
    found = cropped(case.inputs["points"], case.args["box_warp"], case.args["crop"])
    assert torch.equal(found, case.outputs["mask"].reshape(found.shape) > 0.5)


@pytest.mark.parametrize("memory", [None, 100_000])
@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.op == "importance_renderer"])
def test_the_renderer_is_the_references(name: str, memory: int | None) -> None:
    case = CASES[name]
    a, i = case.args, case.inputs
    options = RayOptions(
        a["ray_start"],
        a["ray_end"],
        a["depth_resolution"],
        a["depth_resolution_importance"],
        a["box_warp"],
        "trigrid",
        a.get("white_back", False),
        a["disparity_space_sampling"],
        crop=a.get("triplane_crop", 0.1),
        cull=a.get("cull_clouds"),
        memory=memory,
    )
    decoder = decoder_of(case, "decoder.", a["decoder"])
    found = render_rays(slices(i["planes"]), decoder, i["origins"], i["dirs"], options)
    for value, key in zip(found, ("features", "depth", "weights_sum")):
        check_close(value, case.outputs[key], WHOLE if key != "depth" else 1e-3)


@functools.cache
def generator(name: str) -> PanoHead:
    config, _ = recorded(name)
    size = config.get("neural_rendering_resolution", TINY_SIZE)
    made = PanoHead(card_of(Found({}, config["init_kwargs"], size), name))
    recipe.fill(made, overrides=config["recipe_overrides"])
    return made.eval().requires_grad_(False)


@functools.cache
def tensors(name: str) -> dict[str, Tensor]:
    return recorded(name)[1]


def tiny(key: str) -> Tensor:
    return tensors("panohead_tiny")[key]


@functools.cache
def tiny_planes() -> Tensor:
    return generator("panohead_tiny").planes(tiny("in.ws"))


def as_recorded(planes: Tensor) -> Tensor:
    """[B, 3 * D, 32, h, w] -> [B, 96 * D, h, w]."""
    return planes.unflatten(1, (3, -1)).transpose(2, 3).flatten(1, 3)


@pytest.mark.parametrize("name", ["panohead_tiny", "panohead_full"])
def test_the_mapping_the_planes_and_the_field_are_the_references(name: str) -> None:
    found, data = generator(name), tensors(name)
    z, label = data["in.z"], data["in.c_cond"]
    check_close(found.mapping(z, label), data["out.mapping_psi1.0"], MAPPED)
    check_close(found.mapping(z, label, 0.7), data["out.mapping_psi0.7"], MAPPED)
    planes = found.planes(data["in.ws"])
    flat = as_recorded(planes)
    check_close(flat[:, :, ::16, ::16], data["out.planes_strided16"], FIELD)
    check_close(flat[:, ::36, 120:136, 120:136], data["out.planes_crop"], FIELD)
    check_close(flat.mean((2, 3)), data["out.planes_mean_per_channel"], FIELD)
    rgb, sigma = found.field(planes, data["in.points"])
    check_close(sigma, data["out.sample_mixed.sigma"], FIELD)
    check_close(rgb, data["out.sample_mixed.rgb"], FIELD)


def test_the_cameras_offset_is_the_references() -> None:
    made, label = generator("panohead_tiny"), tiny("in.c_cam")
    for truncation, key in ((1.0, "apply_delta_c"), (0.7, "apply_delta_c_psi0.7")):
        offset = made.camera_offset(tiny("in.z"), label, truncation)
        check_close(offset, tiny(f"out.{key}.delta"), MAPPED)
        moved = label.clone()
        moved[:, [3, 7, 11]] += offset
        check_close(moved, tiny(f"out.{key}.c"), MAPPED)


def test_the_head_and_the_background_are_the_references() -> None:
    made = generator("panohead_tiny")
    features, _, opacity = made.march(tiny_planes(), from_label(tiny("in.c_cam")))
    check_image(features[:, ::2, ::2, ::2], tiny("out.render_features"))
    check_image(opacity, tiny("out.weights_sum"))
    behind = made.background_features(tiny("in.ws"), 64)
    check_image(behind[:, :, ::2, ::2], tiny("out.background_feature"))


@pytest.mark.parametrize("size", [64, 48])
def test_the_official_synthesis_is_the_references(size: int) -> None:
    made = generator("panohead_tiny")
    found = made.synthesis(tiny("in.ws"), from_label(tiny("in.c_cam")), size)
    for key in ("image", "image_raw", "image_depth", "image_mask"):
        check_image(getattr(found, key), tiny(f"out.nrr{size}.{key}"))


def test_a_background_of_another_head_is_the_references() -> None:
    made, camera = generator("panohead_tiny"), from_label(tiny("in.c_cam"))
    found = made.synthesis(tiny("in.ws"), camera, 48, background_w=tiny("in.ws_bcg"))
    check_image(found.image, tiny("out.ws_bcg_nrr48.image"))
    check_image(found.image_raw, tiny("out.ws_bcg_nrr48.image_raw"))
    short = made.synthesis(tiny("in.ws"), camera, 48, background_w=tiny("in.ws_bcg_short"))
    check_image(short.image_raw, tiny("out.ws_bcg_short_nrr48.image_raw"))


def test_from_z_to_the_pictures_is_the_references() -> None:
    made, z, label = generator("panohead_tiny"), tiny("in.z"), tiny("in.c_cam")
    moved = label.clone()
    moved[:, [3, 7, 11]] += made.camera_offset(z, label, 0.7)
    w_plus = made.mapping(z, label, 0.7)
    found = made.synthesis(w_plus, from_label(moved), 48)
    for key in ("image", "image_raw", "image_depth", "image_mask"):
        check_image(getattr(found, key), tiny(f"out.forward_psi0.7_nrr48.{key}"))


def test_the_gradient_with_respect_to_w_is_the_references() -> None:
    made, ws = generator("panohead_tiny"), tiny("in.ws").clone().requires_grad_()
    found = made.synthesis(ws, from_label(tiny("in.c_cam")), 48)
    loss = found.image.square().mean() + found.image_raw.square().mean() + found.image_mask.mean()
    loss.backward()
    check_close(loss.detach().reshape(1), tiny("out.grad.loss"), 1e-5, rtol=1e-5)
    check_close(ws.grad, tiny("out.grad.ws"), atol=1e-5, rtol=1e-3)


@torch.no_grad()
def test_the_real_size_is_the_references() -> None:
    made, data = generator("panohead_full"), tensors("panohead_full")
    camera = from_label(data["in.c_cam"])
    found = made.synthesis(data["in.ws"], camera)
    check_image(found.image[:, :, ::4, ::4], data["out.image_strided4"])
    check_image(found.image[:, :, 224:288, 224:288], data["out.image_crop"])
    for key in ("image_raw", "image_depth", "image_mask"):
        check_image(getattr(found, key), data[f"out.{key}"])
    offset = made.camera_offset(data["in.z"], data["in.c_cam"])
    check_close(offset, data["out.apply_delta_c.delta"], MAPPED)


@pytest.mark.parametrize("name", ["easy-khair-180-gpc0.8-trans10", "ablation-trigridD-1"])
def test_the_tensors_are_named_and_shaped_as_the_official_ones(name: str) -> None:
    listing = json.loads((DATA / f"keys_panohead_{name}.json").read_text())
    with torch.device("meta"):
        made = PanoHead(card_of(Found({}, listing["init_kwargs"], 64), name))
    found = {key: list(t.shape) for key, t in made.state_dict().items()}
    assert found == {key: t["shape"] for key, t in listing["tensors"].items()}
    assert sum(p.numel() for p in made.parameters()) == listing["num_params"]


def test_a_plain_background_shows_wherever_the_head_is_not() -> None:
    made, camera = generator("panohead_tiny"), look_at(2.0)
    planes, w_plus = tiny_planes()[:1], tiny("in.ws")[:1]
    own = made.render(planes, w_plus, camera, size=32)
    plain = made.render(planes, w_plus, camera, size=32, background=0.25)
    for key, cover in (("image", "alpha"), ("raw", "opacity")):
        held = getattr(own, cover)
        expected = held * getattr(own, key) + (1 - held) * 0.25
        check_close(getattr(plain, key), expected, 1e-6)
    assert own.alpha.min() < 0.1 and own.alpha.max() > 0.9


@pytest.mark.parametrize("memory", [None, 2_000_000])
def test_gradients_reach_planes_weights_w_and_camera(memory: int | None) -> None:
    config, _ = recorded("panohead_tiny")
    made = PanoHead(card_of(Found({}, config["init_kwargs"], 16), "trained"))
    recipe.fill(made, overrides=config["recipe_overrides"])
    made.memory = memory
    w_plus = tiny("in.ws")[:1].clone().requires_grad_()
    camera = look_at(0.3)
    camera.cam2world.requires_grad_()
    planes = made.planes(w_plus)
    planes.retain_grad()
    found = made.render(planes, w_plus, camera, samples=(6, 4))
    (found.image.square().mean() + found.distance.mean()).backward()
    reached = {
        name: p.grad
        for name, p in made.named_parameters()
        if "mapping" not in name and not ("superresolution" in name and "noise" in name)
    }
    reached |= {"planes": planes.grad, "w": w_plus.grad, "camera": camera.cam2world.grad}
    assert not [name for name, g in reached.items() if g is None or not g.abs().max() > 0]
