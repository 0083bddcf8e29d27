"""What a recipe gains over the first one named, against how far the input photo is turned away.

SPI (Yin et al., "3D GAN Inversion with Facial Symmetry Prior", 2023) says of its mirrored photo that it helps the more,
the more of the face the photo hides; here that can be looked at, for any recipe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfinv.bench.curves import dress, figure_of, save
from hfinv.bench.protocol import EVERY_VIEW, Column
from hfinv.bench.summary import LEVEL, Scores, of_bin

SHOWN = tuple(c for c in EVERY_VIEW if c.name in ("psnr", "lpips_alex", "identity"))
BINS = ("yaw 30", "yaw 45", "yaw 60")
"""Views in which gains are looked for."""
LEAST = 3
"""Differently turned heads below which there is no trend."""


@dataclass(frozen=True)
class Gain:
    """How much better one recipe is than another in some views, head by head."""

    recipe: str
    over: str
    """The other recipe."""
    bin: str
    """A name of `protocol.BIN_NAMES`."""
    metric: str
    turned: tuple[float, ...]
    """Degrees of yaw of each head's input view, without sign."""
    values: tuple[float, ...]
    """Difference of the metric for each head; above 0 is better, whichever way the metric runs."""
    per_degree: float
    """Median slope of the gain over `turned` (Theil and Sen)."""
    low: float
    """Ends of its interval."""
    high: float


def gains(scores: Scores, turned: Mapping[str, float]) -> tuple[Gain, ...]:
    """The gain of every recipe over the first, in `BINS`; none where fewer than `LEAST` differently turned heads have both.

    Args:
        scores: recipe -> head -> scores.
        turned: head -> degrees of yaw of its input view.
    """
    first, *others = scores
    found = []
    for recipe in others:
        for column in SHOWN:
            for name in BINS:
                pairs = differences(scores[first], scores[recipe], name, column, turned)
                if len({yaw for yaw, _ in pairs}) >= LEAST:
                    found.append(_gain(recipe, first, name, column.name, pairs))
    return tuple(found)


def differences(
    base: Mapping[str, Any],
    mine: Mapping[str, Any],
    name: str,
    column: Column,
    turned: Mapping[str, float],
) -> list[tuple[float, float]]:
    """(turned, gain) of each head that both recipes have, the least turned first."""
    sign = 1 if column.better == "higher" else -1
    pairs = []
    for head in mine.keys() & base.keys() & turned.keys():
        here, there = (of_bin(scores[head], name, column.name) for scores in (mine, base))
        pairs.append((abs(turned[head]), sign * (here - there)))
    return sorted(pair for pair in pairs if not math.isnan(pair[1]))


def _gain(
    recipe: str, over: str, name: str, metric: str, pairs: Sequence[tuple[float, float]]
) -> Gain:
    from scipy.stats import theilslopes

    yaws, values = zip(*pairs)
    trend = theilslopes(values, yaws, LEVEL)
    slope, low, high = float(trend.slope), float(trend.low_slope), float(trend.high_slope)
    return Gain(recipe, over, name, metric, yaws, values, slope, low, high)


def draw_gains(found: tuple[Gain, ...], path: Path) -> Path | None:
    """Write the gains as a PNG, a panel for each metric and bin that has any; returns its path, or None if there are none."""
    groups: dict[tuple[str, str], list[Gain]] = {}
    for gain in found:
        groups.setdefault((gain.metric, gain.bin), []).append(gain)
    if not groups:
        return None
    titles = {column.name: column.title for column in SHOWN}
    figure, panels = figure_of(len(groups))
    for panel, ((metric, name), group) in zip(panels, groups.items()):
        for gain in group:
            trend = f"{gain.per_degree:+.2g} a degree ({gain.low:+.2g} to {gain.high:+.2g})"
            panel.plot(gain.turned, gain.values, "o", ms=4, label=f"{gain.recipe}: {trend}")
        panel.axhline(0, color="0.5", lw=0.8)
        low, high = panel.get_ylim()
        panel.set_ylim(low, high + (0.1 + 0.1 * len(group)) * (high - low))  # room for the legend
        title = f"gain of {titles[metric]} over {found[0].over}, {name}"
        dress(panel, title, "degrees of yaw of the input view")
    return save(figure, path)
