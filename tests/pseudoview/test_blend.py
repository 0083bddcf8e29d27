from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from hfinv.pseudoview.blend import BlendConfig, blend, erode, solve_region, trim

METHODS = ("bands", "feather", "poisson")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 0.5


def disc(size: int, radius: float, count: int = 1) -> Tensor:
    step = torch.arange(size) + 0.5 - size / 2
    return (torch.hypot(step[:, None], step) < radius).float().expand(count, 1, -1, -1).clone()


@pytest.mark.parametrize("method", METHODS)
def test_blend_never_draws_the_photo_where_it_saw_nothing(method: str) -> None:
    config = BlendConfig(method=method)
    seen, painted, outline = (
        noise(2, 3, 64, 64),
        noise(2, 3, 64, 64, seed=1),
        torch.ones(2, 1, 64, 64),
    )
    visible = disc(64, 14, 2)
    weight = trim(visible, outline, config)
    assert (weight <= visible).all() and weight.max() > 0.9
    scrambled = torch.where(visible > 0, seen, 1e3 * noise(2, 3, 64, 64, seed=2))
    a, b = (blend(x, painted, outline, weight, config) for x in (seen, scrambled))
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize("method", METHODS)
def test_a_photo_that_saw_nothing_leaves_the_painted_picture(method: str) -> None:
    painted, ones = noise(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    found = blend(noise(1, 3, 32, 32, seed=1), painted, ones, 0 * ones, BlendConfig(method=method))
    torch.testing.assert_close(found, painted, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_views_are_blended_together_as_one_by_one(method: str) -> None:
    seen, painted = noise(3, 3, 32, 32), noise(3, 3, 32, 32, seed=1)
    config, outline = BlendConfig(method=method), disc(32, 14, 3)
    weight = trim(torch.stack([disc(32, r)[0] for r in (4, 8, 12)]), outline, config)
    together = blend(seen, painted, outline, weight, config)
    for k in range(3):
        alone = blend(*(x[k : k + 1] for x in (seen, painted, outline, weight)), config)
        torch.testing.assert_close(together[k : k + 1], alone)


@pytest.mark.parametrize("method", ["bands", "poisson"])
def test_a_difference_of_light_leaves_no_seam(method: str) -> None:
    """The photo is brighter than the painted part by a constant; only feathering shows it as a step."""
    size = 128
    step = torch.linspace(-3, 3, size)
    painted = (0.3 * torch.sin(step[:, None] + 2 * step)).expand(1, 3, -1, -1)
    seen, outline = painted + 0.3, torch.ones(1, 1, size, size)

    def seam(name: str) -> float:
        config = BlendConfig(method=name, feather=4)
        weight = trim(disc(size, 32), outline, config)
        jump = blend(seen, painted, outline, weight, config) - painted
        return float((jump[0, 0].diff(dim=0)).abs().max())

    assert seam(method) < 0.4 * seam("feather")


def test_poisson_agrees_with_relaxing_pixel_by_pixel() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.random((2, 16, 16, 3))
    region = np.zeros((16, 16), bool)
    region[3:12, 4:9] = True
    region[5:9, 9:13] = True
    found = solve_region(source, target, region)
    slow = target.copy()
    for _ in range(600):
        before = slow.copy()
        for y, x in np.argwhere(region):
            total = np.zeros(3)
            for to in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                total += before[to] + (source[y, x] - source[to] if region[to] else 0)
            slow[y, x] = total / 4
    np.testing.assert_allclose(found, slow, atol=1e-4)
    np.testing.assert_array_equal(found[~region], target[~region])


def test_the_feather_is_a_plain_mixture() -> None:
    seen, painted, weight = noise(1, 3, 8, 8), noise(1, 3, 8, 8, seed=1), noise(1, 1, 8, 8) + 0.5
    found = blend(seen, painted, weight, weight, BlendConfig(method="feather"))
    torch.testing.assert_close(found, weight * seen + (1 - weight) * painted)


def test_erosion_and_rim_are_in_pixels_of_a_512_px_view() -> None:
    visible, outline = disc(512, 200), disc(512, 210)
    hard = BlendConfig(erosion=1, rim=25, feather=0)
    kept = trim(visible, outline, hard)[0, 0, 256]
    # A square of 51 pixels fits into the outline's disc up to 182.5 pixels from its middle, sqrt(210^2 - 25.5^2) - 25.
    assert kept.nonzero().flatten()[[0, -1]].tolist() == [73, 438]
    assert trim(visible, outline, BlendConfig(erosion=1, feather=0))[0, 0, 256].sum() == 398
    assert erode(disc(16, 6), 0).sum() == disc(16, 6).sum()
