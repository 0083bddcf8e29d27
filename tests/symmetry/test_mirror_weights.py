"""The published weights, and the ones without a jump."""

from __future__ import annotations

import pytest

from hfinv.camera import look_at
from hfinv.symmetry.weights import YawConfig, yaw_of, yaw_weight

STEP, SMOOTH = YawConfig(rule="step"), YawConfig(rule="continuous")


@pytest.mark.parametrize(
    ("yaw", "weight"), [(0.2, 0.299), (0.3, 0.351), (0.4, 0.402), (0.6, 0.470), (1.0, 0.499)]
)
def test_the_step_rule_has_the_published_values_on_both_sides(yaw: float, weight: float) -> None:
    assert yaw_weight(yaw, STEP) == pytest.approx(weight, abs=1e-3)
    assert yaw_weight(-yaw, STEP) == yaw_weight(yaw, STEP)


def test_the_step_rule_gives_a_frontal_photo_no_mirror() -> None:
    assert yaw_weight(0.199, STEP) == 0.0


def test_the_continuous_rule_starts_at_nothing_never_jumps_and_ends_where_the_step_rule_does() -> (
    None
):
    weights = [yaw_weight(yaw / 100, SMOOTH) for yaw in range(158)]
    rises = [after - before for before, after in zip(weights, weights[1:])]
    assert weights[0] == 0 and min(rises) >= 0 and max(rises) < 0.012
    assert weights[-1] == pytest.approx(yaw_weight(1.57, STEP), abs=1e-4)


def test_no_rule_is_no_mirror() -> None:
    assert yaw_weight(1.0, YawConfig(rule="none")) == 0.0


def test_yaw_is_between_the_line_of_sight_and_the_plane_of_symmetry() -> None:
    assert yaw_of(look_at(0.0, 0.3)) == pytest.approx(0.0, abs=1e-6)
    assert yaw_of(look_at(0.4, pivot=(0.0, 0.0, 0.0))) == pytest.approx(0.4, abs=1e-5)
    assert yaw_of(look_at(-0.4)) == pytest.approx(-yaw_of(look_at(0.4).to("cpu")), abs=1e-5)
