"""Every metric over yaw, one line a recipe."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from hfinv.bench.protocol import EVERY_VIEW, WHOLE
from hfinv.bench.summary import Scores, by_yaw
from hfinv.errors import HfinvError
from hfinv.image import written_aside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    figure, panels = figure_of(len(curves))
    for panel, (column, lines) in zip(panels, curves.items()):
        for recipe, means in lines.items():
            yaws, found = list(means), list(means.values())
            (line,) = panel.plot(yaws, [m.value for m in found], marker="o", ms=3, label=recipe)
            low, high = [m.low for m in found], [m.high for m in found]
            panel.fill_between(yaws, low, high, color=line.get_color(), alpha=0.15, lw=0)
        title = f"{column.title}, {column.better} is better"
        dress(panel, title, "degrees of yaw from the input view")
    return save(figure, path)


def figure_of(panels: int) -> tuple[Figure, list[Axes]]:
    """A figure of `COLUMNS` columns, and its panels; those of the last row that are not asked for stay empty."""
    from matplotlib.figure import Figure

    rows = -(-panels // COLUMNS)
    figure = Figure((COLUMNS * WIDTH, rows * HEIGHT), DPI, layout="constrained")
    made = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel in made[panels:]:
        panel.set_axis_off()
    return figure, list(made[:panels])


def dress(panel: Axes, title: str, below: str) -> None:
    """A panel's title, legend and grid, and what its horizontal axis means."""
    panel.set_title(title, fontsize=9)
    panel.set_xlabel(below, fontsize=8)
    panel.tick_params(labelsize=8)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as a PNG; returns its path."""
    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
    return path
