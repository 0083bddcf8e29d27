"""Every metric over yaw, one line a recipe."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from hfinv.bench.protocol import EVERY_VIEW, WHOLE
from hfinv.bench.summary import Scores, by_yaw
from hfinv.errors import HfinvError
from hfinv.image import written_aside

COLUMNS, WIDTH, HEIGHT, DPI = 3, 4.2, 3.0, 110


def check_installed() -> None:
    """See that curves can be drawn, before hours of work and not after.

    Raises:
        HfinvError: matplotlib is missing.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise HfinvError(
            "the benchmark draws its curves with matplotlib, which is not installed",
            "pip install 'hfinv[bench]', or pip install matplotlib",
        )


def draw_curves(scores: Scores, path: Path) -> Path | None:
    """Write the curves as a PNG; returns its path, or None if no view but the input was measured.

    Args:
        scores: recipe -> head -> scores.
        path: of the PNG.
    """
    from matplotlib.figure import Figure

    wanted = [column for column in EVERY_VIEW if column not in WHOLE]
    curves = {
        column: {recipe: by_yaw(heads, column.name) for recipe, heads in scores.items()}
        for column in wanted
    }
    curves = {
        column: lines for column, lines in curves.items() if any(len(x) > 1 for x in lines.values())
    }
    if not curves:
        return None
    rows = -(-len(curves) // COLUMNS)
    figure = Figure((COLUMNS * WIDTH, rows * HEIGHT), DPI, layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel, (column, lines) in zip(panels, curves.items()):
        for recipe, means in lines.items():
            yaws, found = list(means), list(means.values())
            (line,) = panel.plot(yaws, [m.value for m in found], marker="o", ms=3, label=recipe)
            low, high = [m.low for m in found], [m.high for m in found]
            panel.fill_between(yaws, low, high, color=line.get_color(), alpha=0.15, lw=0)
        panel.set_title(f"{column.title}, {column.better} is better", fontsize=9)
        panel.set_xlabel("degrees of yaw from the input view", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    for panel in panels[len(curves) :]:
        panel.set_axis_off()
    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
    return path
