"""Each metric against a value worked out by hand, or against another library."""

from __future__ import annotations

import math

import lpips
import numpy as np
import pytest
import torch
from conftest import Ball
from pytorch_msssim import ssim as msssim_package_ssim
from safetensors.torch import load_file
from scipy.optimize import minimize_scalar
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from hfinv import metrics
from hfinv.camera import Camera, concatenate, look_at
from hfinv.perceptual import ASSETS, Perceptual


def pictures(size: int = 48) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    first = torch.rand(1, 3, size, size, generator=rng) * 2 - 1
    return first, (first + 0.3 * torch.randn(first.shape, generator=rng)).clamp(-1, 1)


def channels_last(image: Tensor) -> np.ndarray:
    return image[0].permute(1, 2, 0).double().numpy()


def test_psnr_is_scikit_images_and_a_constant_difference_has_the_value_of_its_formula() -> None:
    x, y = pictures()
    wanted = peak_signal_noise_ratio(channels_last(y), channels_last(x), data_range=2)
    assert metrics.psnr(x, y) == pytest.approx(wanted, abs=1e-4)
    assert metrics.psnr(torch.full_like(x, 0.2), torch.zeros_like(x)) == pytest.approx(20, abs=1e-4)


def test_psnr_on_the_foreground_does_not_look_elsewhere() -> None:
    image, weight = torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8)
    image[..., :4], weight[..., 4:] = 0.9, 1
    assert metrics.psnr(image + 0.02 * weight, torch.zeros_like(image), weight) == pytest.approx(40)


def scikit_ssim(x: Tensor, y: Tensor) -> tuple[float, np.ndarray]:
    """The mean and the map, of the original paper's windows."""
    return structural_similarity(
        (channels_last(x) + 1) / 2,
        (channels_last(y) + 1) / 2,
        data_range=1,
        channel_axis=2,
        full=True,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def test_ssim_is_that_of_scikit_image_and_of_pytorch_msssim() -> None:
    x, y = pictures()
    assert metrics.ssim(x, y) == pytest.approx(scikit_ssim(x, y)[0], abs=1e-7)
    package = msssim_package_ssim((x.double() + 1) / 2, (y.double() + 1) / 2, data_range=1)
    assert metrics.ssim(x, y) == pytest.approx(float(package), abs=1e-5)


def test_ssim_on_the_foreground_is_the_map_of_scikit_image_where_the_weight_is() -> None:
    x, y = pictures()
    weight = torch.zeros(1, 1, 48, 48)
    weight[..., 20, 31] = 1
    wanted = scikit_ssim(x, y)[1][20, 31].mean()
    assert metrics.ssim(x, y, weight) == pytest.approx(wanted, abs=1e-7)


def test_ms_ssim_of_plain_pictures_is_their_lightness_to_the_power_of_the_last_scale() -> None:
    x, y = torch.full((1, 3, 176, 176), -0.2), torch.full((1, 3, 176, 176), 0.4)
    a, b, c1 = 0.4, 0.7, 0.01**2
    wanted = ((2 * a * b + c1) / (a**2 + b**2 + c1)) ** 0.1333
    assert metrics.ms_ssim(x, y) == pytest.approx(wanted, abs=5e-4)
    assert math.isnan(metrics.ms_ssim(x[..., :160, :160], y[..., :160, :160]))


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_is_the_packages(net: str) -> None:
    x, y = pictures(64)
    model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    stored = load_file(ASSETS / f"lpips_{net}.safetensors")
    model.load_state_dict({k: v.float() for k, v in stored.items()}, strict=False)
    with torch.no_grad():
        wanted, found = float(model.eval()(x, y)), float(Perceptual(net)(x, y))
    assert found == pytest.approx(wanted, rel=1e-4) and found > 0.02


def test_a_camera_turned_by_ten_degrees_and_a_tenth_nearer_is_told_so() -> None:
    found = metrics.camera_error(
        look_at(math.radians(10), pivot=(0, 0, 0)), look_at(0, pivot=(0, 0, 0))
    )
    assert found.turn_deg == pytest.approx(10, abs=1e-4)
    assert found.distance_percent == pytest.approx(0, abs=1e-4)
    nearer = metrics.camera_error(look_at(0, radius=2.43), look_at(0))
    assert nearer.turn_deg == pytest.approx(0, abs=1e-3)
    assert nearer.distance_percent == pytest.approx(10, abs=1e-4)


def test_the_scale_between_two_distance_maps_is_the_one_of_least_error() -> None:
    rng = torch.Generator().manual_seed(1)
    found = 1 + torch.rand(1, 1, 9, 9, generator=rng, dtype=torch.float64)
    truth = 1.3 * found + 0.2 * torch.rand(found.shape, generator=rng)
    where = torch.rand(found.shape, generator=rng) > 0.3
    best = minimize_scalar(
        lambda s: float((s * found - truth)[where].abs().sum()), (1, 2), options={"xtol": 1e-6}
    )
    assert metrics.scale_between(found, truth, where) == pytest.approx(best.x, abs=1e-4)


def test_the_error_of_a_distance_map_is_what_one_works_out() -> None:
    truth, where = torch.full((1, 1, 2, 2), 2.0), torch.ones(1, 1, 2, 2, dtype=torch.bool)
    found = torch.tensor([[[[1.0, 1.0], [1.0, 1.1]]]])
    # the scale is 2; one of four pixels is 0.2 off; the head is 0.55 high
    assert metrics.distance_error(found, truth, where) == pytest.approx(100 * 0.05 / 0.55, rel=1e-5)
    assert metrics.distance_error(7 * truth, truth, where) == pytest.approx(0, abs=1e-5)
    assert math.isnan(metrics.distance_error(found, truth, ~where))


def plane(camera: Camera, degrees: float, size: int = 16) -> Tensor:
    """[1, 1, size, size], to a plane through the world origin, tilted about x."""
    normal = torch.tensor([0.0, math.sin(math.radians(degrees)), math.cos(math.radians(degrees))])
    origins, directions = camera.rays(size)
    return (-(origins @ normal) / (directions @ normal)).reshape(1, 1, size, size)


def test_the_normals_of_two_tilted_planes_differ_by_their_tilt() -> None:
    camera, where = look_at(0.3, 0.1), torch.ones(1, 1, 16, 16, dtype=torch.bool)
    angle = metrics.normal_angle(plane(camera, 25), plane(camera, 5), where, camera)
    assert angle == pytest.approx(20, abs=0.02)
    assert math.isnan(metrics.normal_angle(plane(camera, 25), plane(camera, 5), ~where, camera))


def test_a_smaller_distance_map_does_not_mix_the_head_with_what_is_behind() -> None:
    distance, opacity = torch.full((1, 1, 4, 4), 2.0), torch.ones(1, 1, 4, 4)
    distance[..., 0, 0], opacity[..., 0, 0] = 50.0, 0.0
    small, known = metrics.surface(distance, opacity, 2)
    assert known.tolist() == [[[[False, True], [True, True]]]]
    assert torch.equal(small[known], torch.full((3,), 2.0))


def test_silhouettes_that_share_a_third_have_an_iou_of_one_third() -> None:
    first, second = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    first[..., :2], second[..., 1:3] = 0.9, 0.6
    assert metrics.silhouette_iou(first, second) == pytest.approx(1 / 3)
    assert metrics.silhouette_iou(first * 0, first * 0) == 1


def ring(ball: Ball, tints: list[float]) -> tuple[Tensor, Tensor, Tensor, Camera]:
    """Neighbouring views, each of a ball of its own tint."""
    cameras = concatenate([look_at(0.2 * k) for k in range(len(tints))])
    drawn = []
    for k, tint in enumerate(tints):
        planes = ball.planes(torch.full((1, 4, 8), tint))
        with torch.no_grad():
            drawn.append(ball.render(planes, torch.zeros(1, 4, 8), cameras[k], background=0.0))
    return (
        torch.cat([d.image for d in drawn]),
        torch.cat([d.distance for d in drawn]),
        torch.cat([d.opacity for d in drawn]),
        cameras,
    )


def test_views_of_one_solid_head_do_not_contradict_each_other() -> None:
    assert metrics.warp_error(*ring(Ball(image_size=128, rays=64), [0.0, 0.0, 0.0])) < 1.0


def test_views_of_different_tint_contradict_each_other_by_that_tint() -> None:
    error = metrics.warp_error(*ring(Ball(image_size=128, rays=64), [0.0, 0.1, 0.0]))
    assert error == pytest.approx(12.75, abs=0.8)


def test_views_that_share_nothing_have_no_error() -> None:
    image, distance, opacity, camera = ring(Ball(), [0.0, 0.0])
    assert math.isnan(metrics.warp_error(image, distance, 0 * opacity, camera))
