"""From the scores of single heads to means with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hfinv.bench.protocol import BIN_NAMES, COMPARED, EVERY_VIEW, RUNS

LEVEL = 0.95
"""Of the intervals."""
RESAMPLES = 2000
"""Of the bootstrap."""
SEED = 0
"""Of the bootstrap."""


@dataclass(frozen=True)
class Mean:
    """A mean over heads."""

    value: float
    """nan if there is nothing to average."""
    low: float
    """Ends of the bootstrap interval; nan for fewer than two heads."""
    high: float
    heads: int
    """How many heads were averaged."""


@dataclass(frozen=True)
class Cell:
    """One number of a table."""

    recipe: str
    bin: str
    """A name of `protocol.BIN_NAMES`, or `run` for what belongs to a run as a whole."""
    metric: str
    mean: Mean


Scores = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Recipe -> head -> what `measure.measure` gave."""


def summarise(scores: Scores) -> tuple[Cell, ...]:
    """Every mean of every recipe; a head's views of one bin are averaged first, so that heads count alike."""
    cells = []
    for recipe, heads in scores.items():
        for name in BIN_NAMES:
            for column in EVERY_VIEW:
                values = [of_bin(score, name, column.name) for score in heads.values()]
                cells.append(Cell(recipe, name, column.name, mean_of(values)))
        for column in RUNS:
            values = [_number(score["run"].get(column.name)) for score in heads.values()]
            cells.append(Cell(recipe, "run", column.name, mean_of(values)))
    return tuple(cell for cell in cells if cell.mean.heads)


def beside_first(scores: Scores) -> tuple[Cell, ...]:
    """Mean differences of every other recipe from the first, over the heads that both have.

    Heads differ more from each other than recipes do on one head, so two means' intervals may overlap although one recipe is
    better on every head; the interval of the difference tells.
    """
    if not scores:
        return ()
    first, *others = scores
    cells = []
    for recipe in others:
        both = [head for head in scores[recipe] if head in scores[first]]
        for name in BIN_NAMES:
            for column in COMPARED:
                values = [
                    of_bin(scores[recipe][head], name, column.name)
                    - of_bin(scores[first][head], name, column.name)
                    for head in both
                ]
                cells.append(Cell(f"{recipe} − {first}", name, column.name, mean_of(values)))
    return tuple(cell for cell in cells if cell.mean.heads)


def by_yaw(heads: Mapping[str, Mapping[str, Any]], metric: str) -> dict[float, Mean]:
    """Means of a metric over yaw from the input view, in degrees, rounded; views moved in pitch are left out."""
    found: dict[float, list[float]] = {}
    for score in heads.values():
        for values in score["views"].values():
            if values["bin"] != "pitch":
                found.setdefault(round(values["yaw"]), []).append(_number(values.get(metric)))
    means = {yaw: mean_of(values) for yaw, values in sorted(found.items())}
    return {yaw: mean for yaw, mean in means.items() if mean.heads}


def of_bin(score: Mapping[str, Any], name: str, metric: str) -> float:
    """Mean of a metric over the views of one bin of one head; nan if there are none."""
    return _average(
        _number(values.get(metric)) for values in score["views"].values() if values["bin"] == name
    )


def mean_of(values: Sequence[float]) -> Mean:
    """The mean with its percentile bootstrap interval; nan values are left out.

    Efron, "Bootstrap methods: another look at the jackknife", 1979, by scipy.
    """
    from scipy.stats import bootstrap

    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Mean(math.nan, math.nan, math.nan, 0)
    if len(known) < 2:
        return Mean(known[0], math.nan, math.nan, 1)
    interval = bootstrap(
        (np.array(known),),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return Mean(float(np.mean(known)), float(interval.low), float(interval.high), len(known))


def _average(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
