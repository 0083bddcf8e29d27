"""From scores to means, intervals and text."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest

from hfinv.bench import Plan
from hfinv.bench.jobs import Done, Job, in_order
from hfinv.bench.report import scores_of
from hfinv.bench.summary import Cell, Mean, beside_first, by_yaw, mean_of, summarise
from hfinv.bench.table import as_csv, as_markdown, as_tex


def score(psnr: dict[str, tuple[float, float | None]], seconds: float = 10.0) -> dict:
    """name -> (yaw, PSNR)."""
    views = {
        name: {"yaw": yaw, "pitch": 0.0, "bin": "input" if name == "input" else f"yaw {abs(yaw):.0f}",
               "psnr": value}
        for name, (yaw, value) in psnr.items()
    }  # fmt: skip
    return {"views": views, "run": {"seconds": seconds, "warp": None}, "stages": {}}


HEADS = {
    "a": score({"input": (0, 30.0), "left": (-30, 20.0), "right": (30, 24.0)}),
    "b": score({"input": (0, 32.0), "left": (-30, 18.0), "right": (30, None)}, 20),
}


def test_a_heads_views_of_one_bin_count_as_one_and_missing_ones_not_at_all() -> None:
    found = {(c.bin, c.metric): c.mean for c in summarise({"pti": HEADS})}
    assert found["input", "psnr"].value == 31 and found["input", "psnr"].heads == 2
    assert found["yaw 30", "psnr"].value == (22 + 18) / 2
    assert found["run", "seconds"].value == 15
    assert ("run", "warp") not in found and ("yaw 60", "psnr") not in found


def test_a_curve_tells_left_from_right() -> None:
    curve = by_yaw(HEADS, "psnr")
    assert {yaw: (m.value, m.heads) for yaw, m in curve.items()} == {
        -30: (19.0, 2), 0: (31.0, 2), 30: (24.0, 1),
    }  # fmt: skip


def test_the_interval_is_that_of_the_mean_by_the_textbook() -> None:
    values = np.random.default_rng(3).normal(25, 2, 40)
    found = mean_of(list(values))
    error = 1.96 * values.std(ddof=1) / math.sqrt(40)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.12)
    assert found.high == pytest.approx(values.mean() + error, abs=0.12)
    assert mean_of(list(values)) == found


def test_too_few_values_have_no_interval() -> None:
    assert math.isnan(mean_of([5.0, math.nan]).low) and mean_of([5.0]).heads == 1
    assert mean_of([math.nan]).heads == 0


def test_recipes_are_compared_head_by_head_where_both_have_the_head() -> None:
    # two heads ten dB apart, on each of which the second recipe is a little better
    first = {"a": score({"input": (0, 20.0)}), "b": score({"input": (0, 30.0)})}
    second = {"a": score({"input": (0, 20.5)}), "b": score({"input": (0, 31.0)})}
    alone = {"c": score({"input": (0, 99.0)})}
    (cell,) = beside_first({"w": first, "pti": second | alone})
    assert (cell.recipe, cell.bin, cell.metric) == ("pti − w", "input", "psnr")
    assert cell.mean == Mean(0.75, 0.5, 1.0, 2)
    overlapping = [c.mean for c in summarise({"w": first, "pti": second}) if c.metric == "psnr"]
    assert overlapping[0].high > overlapping[1].low
    assert beside_first({"w": first}) == beside_first({}) == ()
    text = as_markdown(CELLS, ["noted"], [cell])
    assert "**Differences from the first recipe, head by head**" in text
    assert "| input | pti − w | +0.75 [+0.50, +1.00] |" in text
    assert r"input & pti $-$ w & $0.75$" in as_tex(CELLS, [], [cell])


CELLS = (
    Cell("w_plus", "input", "psnr", Mean(21.456, 20.9, 22.1, 3)),
    Cell("pti", "input", "psnr", Mean(26.0, math.nan, math.nan, 1)),
    Cell("pti", "run", "seconds", Mean(123.4, 100.2, 150.0, 3)),
)


def test_markdown_rounds_aligns_and_carries_its_notes() -> None:
    text = as_markdown(CELLS, ["with a note"])
    assert "| input | w_plus | 21.46 [20.90, 22.10] |" in text
    assert "| input | pti | 26.00 |" in text
    assert "PSNR ↑" in text and "| run | pti | 123 [100, 150] |" in text
    assert text.endswith("- with a note\n") and "Shape" not in text


def test_csv_can_be_read_back_unrounded() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(CELLS))))
    assert [row["recipe"] for row in rows] == ["w_plus", "pti", "pti"]
    assert float(rows[0]["mean"]) == 21.456 and rows[1]["low"] == "" and rows[2]["heads"] == "3"


def test_tex_escapes_what_tex_would_take_for_a_command() -> None:
    text = as_tex(CELLS, ["100 % of it"])
    assert r"w\_plus" in text and r"\begin{tabular}{llr}" in text
    assert r"input & pti & $26.00$ \\" in text and r"PSNR $\uparrow$" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    assert text.startswith("% 100 % of it")


def test_recipes_and_heads_stand_as_they_were_named_whichever_ended_first() -> None:
    def done(recipe: str, head: str, scores: dict | None) -> Done:
        place = Path(head)
        return Done(Job(recipe, head, place, None, place, None, None, (), "cpu", 0), scores)

    ended = [
        done("pti", "b", HEADS["b"]),
        done("w", "b", None),
        done("default", "b", HEADS["b"]),
        done("pti", "a", HEADS["a"]),
        done("w", "a", None),
        done("default", "a", HEADS["a"]),
    ]
    plan = Plan(("default", "w", "pti"))
    jobs = [done(recipe, head, None).job for head in "ab" for recipe in plan.recipes]
    found = scores_of(plan, in_order(ended, jobs))
    assert list(found) == ["default", "pti"]  # nothing of `w` was made
    assert list(found["default"]) == ["a", "b"] and found["pti"]["a"] is HEADS["a"]
