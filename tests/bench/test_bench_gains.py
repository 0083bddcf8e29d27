"""What a recipe gains as the input turns away."""

from __future__ import annotations

from pathlib import Path

import pytest

from hfinv.bench.gains import draw_gains, gains
from hfinv.image import read

TURNED = {"a": 5.0, "b": -15.0, "c": 25.0, "d": -35.0}


def scores(psnr: dict[str, float], lpips: float) -> dict:
    return {
        head: {
            "views": {
                "yaw+30": {"yaw": 30, "bin": "yaw 30", "psnr": value, "lpips_alex": lpips},
                "yaw-30": {"yaw": -30, "bin": "yaw 30", "psnr": value + 2, "lpips_alex": lpips},
            }
        }
        for head, value in psnr.items()
    }


BASE = scores(dict.fromkeys(TURNED, 20.0), 0.3)
BETTER = scores({head: 20.0 + 0.1 * abs(yaw) for head, yaw in TURNED.items()}, 0.2)


def test_a_gain_that_grows_with_the_angle_is_found_and_a_constant_one_does_not_grow() -> None:
    found = {gain.metric: gain for gain in gains({"pti": BASE, "spi": BETTER}, TURNED)}
    assert found["psnr"].recipe == "spi" and found["psnr"].over == "pti"
    assert found["psnr"].turned == (5, 15, 25, 35)  # without sign
    assert found["psnr"].per_degree == pytest.approx(0.1)
    assert found["lpips_alex"].values == pytest.approx([0.1] * 4)  # lower is better: a gain
    assert found["lpips_alex"].per_degree == pytest.approx(0, abs=1e-9)


def test_heads_that_one_recipe_lacks_or_nobody_knows_the_angle_of_do_not_count() -> None:
    less = {head: BETTER[head] for head in "abd"}
    gain, _ = gains({"pti": BASE, "spi": less}, TURNED)
    assert gain.turned == (5, 15, 35)
    assert gains({"pti": BASE, "spi": BETTER}, {"a": 5.0, "b": 15.0}) == ()
    assert (
        gains({"pti": BASE, "spi": BETTER}, dict.fromkeys(TURNED, 10.0)) == ()
    )  # no angles to compare
    assert gains({"pti": BASE}, TURNED) == ()


def test_they_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = gains({"pti": BASE, "spi": BETTER}, TURNED)
    path = draw_gains(found, tmp_path / "gains.png")
    assert path is not None and (read(path) < 200).any()
    assert draw_gains((), tmp_path / "none.png") is None
    assert not (tmp_path / "none.png").exists()
