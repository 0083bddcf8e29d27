"""Losses, read and drawn."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hfinv.report.curves import HEIGHT, MARGIN, WIDTH, Curve, draw, draw_all, read_curves, thinned


def points(svg: str) -> list[tuple[float, float]]:
    text = re.search(r'points="([^"]*)"', svg)[1]
    return [tuple(map(float, pair.split(","))) for pair in text.split()]


def test_each_loss_of_each_stage_is_a_curve(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(
        '{"stage": "latent", "step": 1, "steps": 2, "losses": {"lpips": 0.5, "alpha": 1}}\n'
        '{"stage": "latent", "step": 2, "steps": 2, "losses": {"lpips": 0.25, "alpha": null}}\n'
        '{"stage": "tuning", "step": 1, "steps": 9, "losses": {"lpips": 0.1}}\n'
        "7\n"
        '{"stage": "tuning", "step": 2, "steps": 9, "los'  # cut off by a kill
    )
    assert read_curves(tmp_path) == [
        Curve("latent", "lpips", (1, 2), (0.5, 0.25)),
        Curve("latent", "alpha", (1,), (1.0,)),
        Curve("tuning", "lpips", (1,), (0.1,)),
    ]
    assert read_curves(tmp_path / "nowhere") == []


def test_a_curve_is_drawn_to_scale_from_zero() -> None:
    drawn = points(draw(Curve("s", "lpips", (1, 2, 3), (2.0, 1.0, 0.0)), last_step=5))
    middle, third = (MARGIN + WIDTH - MARGIN) / 2, MARGIN + (WIDTH - 2 * MARGIN) / 4
    assert drawn == [
        (MARGIN, MARGIN),
        (pytest.approx(third), HEIGHT / 2),
        (pytest.approx(middle), HEIGHT - MARGIN),
    ]


def test_one_step_and_equal_values_can_be_drawn() -> None:
    assert len(points(draw(Curve("s", "a", (1,), (0.0,)), 1))) == 2
    assert {y for _, y in points(draw(Curve("s", "a", (1, 2), (3.0, 3.0)), 2))} == {MARGIN}


def test_long_curves_become_means_of_neighbours() -> None:
    curve = Curve("s", "a", tuple(range(1, 7)), (1.0, 3.0, 5.0, 7.0, 9.0, 11.0))
    assert thinned(curve, 3) == Curve("s", "a", (2, 4, 6), (2.0, 6.0, 10.0))
    assert thinned(curve, 6) == curve


def test_names_of_losses_are_escaped() -> None:
    assert "<script>" not in draw_all([Curve("<script>", "<script>", (1,), (1.0,))])
