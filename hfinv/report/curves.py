"""The losses of a run over its steps, as small drawings that need no program to be seen."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from hfinv.report.html import Html, element, joined
from hfinv.rundir import METRICS

WIDTH, HEIGHT, MARGIN = 220, 80, 4
MOST_POINTS = 220
"""Points of a curve; of longer ones, means of neighbours are drawn."""


@dataclass(frozen=True)
class Curve:
    """One loss of one stage."""

    stage: str
    name: str
    steps: tuple[int, ...]
    """Counted from 1."""
    values: tuple[float, ...]
    """One a step, not weighted."""


def read_curves(run: Path) -> list[Curve]:
    """The losses that a run has kept in `metrics.jsonl`, in their order; damaged lines are passed over.

    Args:
        run: its directory.
    """
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    path = run / METRICS
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for line in lines:
        try:
            record = json.loads(line)
            stage, step, losses = str(record["stage"]), int(record["step"]), record["losses"]
            for name, value in losses.items():
                if isinstance(value, (int, float)) and math.isfinite(value):
                    found.setdefault((stage, str(name)), []).append((step, float(value)))
        except (ValueError, KeyError, TypeError, AttributeError):  # cut off by a kill
            continue
    return [
        Curve(stage, name, *(tuple(column) for column in zip(*points)))
        for (stage, name), points in found.items()
    ]


def thinned(curve: Curve, most: int = MOST_POINTS) -> Curve:
    """The curve with at most so many points, each the mean of its neighbours."""
    width = -(-len(curve.steps) // most)
    if width <= 1:
        return curve
    chunks = [slice(start, start + width) for start in range(0, len(curve.steps), width)]
    steps = tuple(curve.steps[chunk][-1] for chunk in chunks)
    values = tuple(sum(curve.values[c]) / len(curve.values[c]) for c in chunks)
    return Curve(curve.stage, curve.name, steps, values)


def draw(curve: Curve, last_step: int) -> Html:
    """One curve with its name and its first and last value.

    Args:
        curve: what to draw; the axis begins at 0 or below.
        last_step: where the axis of steps ends.
    """
    first, last = curve.values[0], curve.values[-1]
    points = thinned(curve)
    low, high = min(0.0, *points.values), max(0.0, *points.values)
    span = (high - low) or 1.0

    def place(step: int, value: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * (step - 1) / max(last_step - 1, 1)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / span
        return f"{x:.1f},{y:.1f}"

    dots = [place(step, value) for step, value in zip(points.steps, points.values)]
    told = (
        f"{curve.name}: {first:.3g} at step {curve.steps[0]}, {last:.3g} at step {curve.steps[-1]}"
    )
    base = place(1, 0.0).split(",")[1]
    svg = element(
        "svg",
        element("title", told),
        element("line", x1=0, x2=WIDTH, y1=base, y2=base, class_="axis"),
        element("polyline", points=" ".join(dots if len(dots) > 1 else dots * 2)),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
    )
    caption = element("figcaption", element("b", curve.name), f" {first:.3g} → {last:.3g}")
    return element("figure", svg, caption, class_="curve")


def draw_all(curves: list[Curve]) -> Html:
    """A heading and a row of curves for each stage."""
    rows = []
    for stage in dict.fromkeys(curve.stage for curve in curves):
        own = [curve for curve in curves if curve.stage == stage]
        last = max(curve.steps[-1] for curve in own)
        drawn = element("div", *(draw(curve, last) for curve in own), class_="curves")
        rows += [element("h3", f"{stage}, {last} steps"), drawn]
    return joined(*rows)
