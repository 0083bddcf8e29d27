"""A whole EG3D, small and real, against the recorded reference; weights by recipe."""

from __future__ import annotations

import functools
import json

import pytest
import recipe
import torch
from fixtures import DATA, check_close, recorded
from torch import Tensor

from hfinv.camera import from_label, look_at
from hfinv.generators.eg3d import EG3D, official_card

IMAGE = {"atol": 5e-4, "mean": 1e-5}
FIELD = 1e-4
MAPPED = 1e-5
TINY_SIZE = 64


@functools.cache
def generator(name: str) -> EG3D:
    config, _ = recorded(name)
    size = config.get("neural_rendering_resolution", TINY_SIZE)
    made = EG3D(official_card(name, config["init_kwargs"], size))
    recipe.fill(made, overrides=config["recipe_overrides"])
    return made.eval().requires_grad_(False)


@functools.cache
def tensors(name: str) -> dict[str, Tensor]:
    return recorded(name)[1]


def tiny(key: str) -> Tensor:
    return tensors("eg3d_tiny")[key]


def tiny_camera():
    return from_label(tiny("in.c_cam"))


@functools.cache
def tiny_planes() -> Tensor:
    return generator("eg3d_tiny").planes(tiny("in.ws"))


@pytest.mark.parametrize("name", ["eg3d_tiny", "eg3d_full"])
def test_the_mapping_is_the_references(name: str) -> None:
    found, data = generator(name), tensors(name)
    z, label = data["in.z"], data["in.c_cond"]
    check_close(found.mapping(z, label), data["out.mapping_psi1.0"], MAPPED)
    check_close(found.mapping(z, label, 0.7), data["out.mapping_psi0.7"], MAPPED)
    if "out.mapping_psi0.7_cutoff5" in data:
        check_close(found.mapping(z, label, 0.7, 5), data["out.mapping_psi0.7_cutoff5"], MAPPED)


@pytest.mark.parametrize("name", ["eg3d_tiny", "eg3d_full"])
def test_the_planes_and_what_they_hold_are_the_references(name: str) -> None:
    found, data = generator(name), tensors(name)
    planes = found.planes(data["in.ws"])
    flat = planes.flatten(1, 2)
    check_close(flat[:, :, ::16, ::16], data["out.planes_strided16"], FIELD)
    check_close(flat[:, ::12, 120:136, 120:136], data["out.planes_crop"], FIELD)
    check_close(flat.mean((2, 3)), data["out.planes_mean_per_channel"], FIELD)
    check_close(flat.std((2, 3), unbiased=False), data["out.planes_std_per_channel"], FIELD)
    rgb, sigma = found.sample_mixed(data["in.points"], data["in.ws"])
    check_close(rgb, data["out.sample_mixed.rgb"], FIELD)
    check_close(sigma, data["out.sample_mixed.sigma"], FIELD)
    check_close(found.density(planes, data["in.points"]), data["out.sample_mixed.sigma"], FIELD)


def test_every_block_of_the_backbone_is_the_references() -> None:
    synthesis = generator("eg3d_tiny").backbone.synthesis
    seen = {}
    hooks = [
        block.register_forward_hook(
            lambda module, _, outputs, name=name: seen.update({name: outputs})
        )
        for name, block in zip(synthesis.names, synthesis.blocks())
    ]
    synthesis(tiny("in.ws"))
    for hook in hooks:
        hook.remove()
    for name, (features, image) in seen.items():
        stride = max(1, int(name[1:]) // 8)
        check_close(features[:, :, ::stride, ::stride], tiny(f"out.{name}_x"), FIELD)
        check_close(image[:, :, ::stride, ::stride], tiny(f"out.{name}_img"), FIELD)
    assert len(seen) == 7


def test_the_rays_and_the_feature_image_are_the_references() -> None:
    origins, directions = tiny_camera().rays(TINY_SIZE)
    check_close(origins[:, :1], tiny("out.ray_origins"), MAPPED)
    check_close(directions, tiny("out.ray_dirs"), MAPPED)
    features, _, opacity = generator("eg3d_tiny").march(tiny_planes(), tiny_camera())
    check_close(features[:, :, ::2, ::2], tiny("out.feature_image"), **IMAGE)
    check_close(features[:, :3], tiny("out.raw_rgb_before_sr"), **IMAGE)
    check_close(opacity, tiny("out.weights_sum"), **IMAGE)


@pytest.mark.parametrize("size", [64, 48, 96])
def test_the_official_synthesis_is_the_references(size: int) -> None:
    found = generator("eg3d_tiny").synthesis(tiny("in.ws"), tiny_camera(), size)
    for key in ("image", "image_raw", "image_depth"):
        check_close(getattr(found, key), tiny(f"out.nrr{size}.{key}"), **IMAGE)


def test_the_official_synthesis_without_noise_is_the_references() -> None:
    found = generator("eg3d_tiny").synthesis(tiny("in.ws"), tiny_camera(), noise_mode="none")
    for key in ("image", "image_raw"):
        check_close(getattr(found, key), tiny(f"out.nrr64_noise_none.{key}"), **IMAGE)


def test_from_z_to_the_picture_is_the_references() -> None:
    made = generator("eg3d_tiny")
    w_plus = made.mapping(tiny("in.z"), tiny("in.c_cam"), 0.7, 14)
    found = made.synthesis(w_plus, tiny_camera())
    for key in ("image", "image_raw", "image_depth"):
        check_close(getattr(found, key), tiny(f"out.forward_psi0.7.{key}"), **IMAGE)


def test_from_z_to_the_field_is_the_references() -> None:
    made = generator("eg3d_tiny")
    z, label = tiny("in.z"), tiny("in.c_cond")
    rgb, sigma = made.sample(tiny("in.points"), z, label, 0.7)
    check_close(rgb, tiny("out.sample.rgb"), FIELD)
    check_close(sigma, tiny("out.sample.sigma"), FIELD)
    grid = tiny("out.shape_grid16.points")[None]
    density = made.density(made.planes(made.mapping(z[:1], label[:1], 0.7)), grid)
    check_close(density.reshape(16, 16, 16), tiny("out.shape_grid16.sigma_raw"), FIELD)


def test_the_gradient_of_w_is_the_references() -> None:
    ws = tiny("in.ws").clone().requires_grad_()
    found = generator("eg3d_tiny").synthesis(ws, tiny_camera(), 48)
    loss = found.image.square().mean() + found.image_raw.square().mean()
    loss.backward()
    check_close(loss.detach().reshape(1), tiny("out.grad.loss"), 1e-5)
    check_close(ws.grad, tiny("out.grad.ws"), atol=1e-5, rtol=1e-3)


@torch.no_grad()
def test_the_real_size_is_the_references() -> None:
    made, data = generator("eg3d_full"), tensors("eg3d_full")
    found = made.synthesis(data["in.ws"], from_label(data["in.c_cam"]))
    check_close(found.image[:, :, ::4, ::4], data["out.image_strided4"], **IMAGE)
    check_close(found.image[:, :, 224:288, 224:288], data["out.image_crop"], **IMAGE)
    check_close(found.image_raw, data["out.image_raw"], **IMAGE)
    check_close(found.image_depth, data["out.image_depth"], **IMAGE)


@pytest.mark.parametrize("name", ["ffhqrebalanced512-128", "shapenetcars128-64", "256"])
def test_the_tensors_are_named_and_shaped_as_the_official_ones(name: str) -> None:
    listing = json.loads((DATA / f"keys_eg3d_{name}.json").read_text())
    with torch.device("meta"):
        made = EG3D(official_card(name, listing["init_kwargs"], 64))
    found = {key: list(t.shape) for key, t in made.state_dict().items()}
    assert found == {key: t["shape"] for key, t in listing["tensors"].items()}
    assert sum(p.numel() for p in made.parameters()) == listing["num_params"]
    assert {key for key, _ in made.named_parameters()} == {
        key for key, t in listing["tensors"].items() if t["kind"] == "param"
    }


def test_render_gives_the_clean_raw_image_and_the_references_final_one() -> None:
    made = generator("eg3d_tiny")
    found = made.render(tiny_planes(), tiny("in.ws"), tiny_camera())
    check_close(found.image, tiny("out.nrr64.image"), **IMAGE)
    check_close(found.raw, tiny("out.raw_rgb_before_sr"), **IMAGE)
    check_close(found.distance, tiny("out.nrr64.image_depth"), **IMAGE)
    check_close(found.opacity, tiny("out.weights_sum"), **IMAGE)
    assert found.alpha.shape == (2, 1, 128, 128)
    assert found.alpha.min() >= 0 and found.alpha.max() <= 1 + 1e-6
    small = made.render(tiny_planes(), tiny("in.ws"), tiny_camera(), superresolve=False)
    assert torch.equal(small.image, found.raw) and torch.equal(small.alpha, found.opacity)


def test_one_head_is_rendered_from_many_cameras_as_from_each() -> None:
    made, planes, w_plus = generator("eg3d_tiny"), tiny_planes()[:1], tiny("in.ws")[:1]
    cameras = look_at(torch.tensor([-0.5, 0.0, 0.5]))
    settings = {"size": 16, "samples": (6, 4)}
    together = made.render(planes, w_plus, cameras, **settings)
    alone = made.render(planes, w_plus, cameras[1], **settings)
    assert together.image.shape == (3, 3, 128, 128)
    check_close(together.image[1:2], alone.image, **IMAGE)
    assert torch.equal(made.render(planes, w_plus, cameras, **settings).image, together.image)


def test_map_conditions_on_the_frontal_camera() -> None:
    made, z = generator("eg3d_tiny"), tiny("in.z")
    frontal = torch.tensor([1.0, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 2.7, 0, 0, 0, 1])
    lens = torch.tensor([4.2647, 0, 0.5, 0, 4.2647, 0.5, 0, 0, 1])
    label = torch.cat([frontal, lens]).expand(2, -1)
    check_close(made.map(z, 0.7), made.mapping(z, label, 0.7), MAPPED)
    check_close(made.map(z, 0.0), made.mean_latent().expand(2, -1, -1), MAPPED)


def test_the_latent_scale_is_the_spread_of_mapped_z() -> None:
    made = generator("eg3d_tiny")
    z = torch.randn(3000, 64, generator=torch.Generator().manual_seed(5))
    ratio = made.latent_scale() / made.map(z)[:, 0].std(0)
    assert made.latent_scale().shape == (1, 1, 512)
    assert 0.75 < ratio.min() and ratio.max() < 1.3 and abs(ratio.mean() - 1) < 0.02
    assert torch.equal(made.latent_scale(), made.latent_scale())


def test_gradients_reach_planes_weights_w_and_camera() -> None:
    config, _ = recorded("eg3d_tiny")
    made = EG3D(official_card("trained", config["init_kwargs"], 16))
    recipe.fill(made, overrides=config["recipe_overrides"])
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
