"""Where samples lie along a ray; the recorded operations are compared in `test_raymarch`."""

from __future__ import annotations

import pytest
import torch
from fixtures import check_close

from hfinv.generators.ray_samples import box_limits, fine_offsets, importance


def test_fine_samples_gather_half_a_step_before_the_heavy_interval() -> None:
    distances = torch.linspace(0, 10, 11).reshape(1, 1, -1)
    weights = torch.zeros(1, 1, 10)
    weights[..., 5] = 1e4  # between 5 and 6
    fine = importance(distances, weights, fine_offsets((1, 1, 100), None, distances.device))
    # Smoothing spreads it over three intervals, centred half a step nearer than the heavy one's middle.
    assert fine.min() > 3.4 and fine.max() < 6.6
    assert fine.mean().item() == pytest.approx(5.0, abs=0.02)


def test_a_ray_that_misses_the_box_is_told_by_its_limits() -> None:
    origins = torch.tensor([[0.0, 0, 2], [0, 3, 2]])
    directions = torch.tensor([[0.0, 0, -1], [0, 0, -1]])
    near, far = box_limits(origins, directions, box=1.0)
    check_close(torch.cat([near, far], 1), torch.tensor([[1.5, 2.5], [-1, -2]]), 1e-6)
