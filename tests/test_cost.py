"""What an official size costs here, told before anybody waits."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from hfinv import cost
from hfinv.config import InvertConfig
from hfinv.generators.checkpoint import read_card
from hfinv.generators import locate
from hfinv.generators.eg3d import EG3D
from hfinv.generators.official import Found, card_of

DATA = Path(__file__).parent / "data"


def official(name: str, ray_size: int = 128) -> EG3D:
    arguments = json.loads((DATA / f"keys_{name}.json").read_text())["init_kwargs"]
    return card_of(Found({}, arguments, ray_size), name)


def test_an_official_size_is_warned_of_in_minutes_with_ways_out() -> None:
    card = official("eg3d_ffhqrebalanced512-128")
    start = time.perf_counter()
    said = cost.warning(card, InvertConfig())
    assert time.perf_counter() - start < 20
    assert said is not None and "minutes" in said and "--resolution low" in said
    steps = (10 + 40 + 10) + 25 + 15 + (80 + 80 // 2)  # latent, early, hidden parts, tuning
    assert f"({steps} steps" in said


def test_the_bundled_generator_is_not_warned_of() -> None:
    assert cost.warning(read_card(locate("heads")), InvertConfig()) is None


def test_low_resolution_costs_less_and_more_rays_cost_more() -> None:
    card = official("eg3d_ffhqrebalanced512-128")
    full, low = cost.measure(card), cost.measure(card, low=True)
    assert low.picture < full.picture and full.step == pytest.approx(2.8 * full.picture)
    assert cost.measure(official("panohead_easy-khair-180-gpc0.8-trans10", 64), True) is not None


@torch.no_grad()
def test_the_estimate_is_of_the_order_of_the_real_time() -> None:
    card = official("eg3d_256", 64)
    made = EG3D(card)
    from hfinv.camera import look_at

    w_plus = made.mean_latent()
    times = []
    for _ in range(2):
        start = time.perf_counter()
        made.render(made.planes(w_plus), w_plus, look_at(0.0))
        times.append(time.perf_counter() - start)
    ratio = cost.measure(card).picture / min(times)
    assert 1 / 4 < ratio < 4, ratio
