"""Means as text: Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from hfinv.bench.protocol import BIN_NAMES, COMPARED, PICTURES, RUNS, SHAPE, WHOLE, Column
from hfinv.bench.summary import LEVEL, Cell, Mean

BLOCKS = (
    ("Pictures, on the head", PICTURES),
    ("Pictures, whole over one plain background", WHOLE),
    ("Shape", SHAPE),
    ("Runs", RUNS),
)
"""Title and columns of each table."""
DIFFERENCES = "Differences from the first recipe, head by head"
"""Title of the last table."""
NOTHING = "–"
ARROWS = {"higher": "↑", "lower": "↓", "": ""}
TEX_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""}
TEX_SPECIAL = str.maketrans({c: "\\" + c for c in "%_&#$"} | {"–": "--", "−": "$-$"})

Row = tuple[str, str, list[Mean | None]]
"""Bin, recipe, a mean for each column."""


def as_markdown(
    cells: Sequence[Cell], notes: Sequence[str], differences: Sequence[Cell] = ()
) -> str:
    """All tables; `mean [low, high]` in each cell, then the notes as a list."""
    parts = []
    for title, columns, rows in _blocks(cells, differences):
        plain = _signed if title == DIFFERENCES else _plain
        head = ["view", "recipe", *(f"{c.title} {ARROWS[c.better]}".strip() for c in columns)]
        lines = [head, ["---"] * 2 + ["---:"] * len(columns)]
        lines += [[name, recipe, *map(plain, means, columns)] for name, recipe, means in rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        parts.append(f"**{title}**\n\n{table}")
    parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def as_csv(cells: Sequence[Cell]) -> str:
    """One line a mean, unrounded: view, recipe, metric, mean, low, high, heads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["view", "recipe", "metric", "mean", "low", "high", "heads"])
    for cell in cells:
        mean = cell.mean
        numbers = ("" if math.isnan(x) else repr(x) for x in (mean.value, mean.low, mean.high))
        writer.writerow([cell.bin, cell.recipe, cell.metric, *numbers, mean.heads])
    return text.getvalue()


def as_tex(cells: Sequence[Cell], notes: Sequence[str], differences: Sequence[Cell] = ()) -> str:
    """The same tables for LaTeX with booktabs; the notes are comments."""
    parts = ["\n".join(f"% {note}" for note in notes)]
    for title, columns, rows in _blocks(cells, differences):
        head = [f"{c.title.translate(TEX_SPECIAL)}{TEX_ARROWS[c.better]}" for c in columns]
        lines = [
            f"% {title}",
            r"\begin{tabular}{ll" + "r" * len(columns) + "}",
            r"\toprule",
            " & ".join(["view", "recipe", *head]) + r" \\",
            r"\midrule",
        ]
        for name, recipe, means in rows:
            cells_of = [name, recipe.translate(TEX_SPECIAL), *map(_tex, means, columns)]
            lines.append(" & ".join(cells_of) + r" \\")
        parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"


def interval_note() -> str:
    """What the brackets mean."""
    return f"mean over heads, in brackets its {LEVEL:.0%} bootstrap interval"


def _blocks(
    cells: Sequence[Cell], differences: Sequence[Cell]
) -> list[tuple[str, tuple[Column, ...], list[Row]]]:
    """The tables that have anything in them."""
    blocks = [(title, *_filled(cells, columns)) for title, columns in BLOCKS]
    blocks.append((DIFFERENCES, *_filled(differences, COMPARED)))
    return [block for block in blocks if block[2]]


def _filled(
    cells: Sequence[Cell], all_columns: tuple[Column, ...]
) -> tuple[tuple[Column, ...], list[Row]]:
    """One table without its empty columns and rows."""
    found = {(cell.bin, cell.recipe, cell.metric): cell.mean for cell in cells}
    columns = tuple(c for c in all_columns if any(key[2] == c.name for key in found))
    rows: list[Row] = []
    for name in ("run",) if all_columns is RUNS else BIN_NAMES:
        for recipe in dict.fromkeys(cell.recipe for cell in cells):
            means = [found.get((name, recipe, c.name)) for c in columns]
            if any(mean is not None for mean in means):
                rows.append((name, recipe, means))
    return columns, rows


def _plain(mean: Mean | None, column: Column, sign: str = "") -> str:
    if mean is None:
        return NOTHING
    value, low, high = (f"{x:{sign}.{column.digits}f}" for x in (mean.value, mean.low, mean.high))
    return value if math.isnan(mean.low) else f"{value} [{low}, {high}]"


def _signed(mean: Mean | None, column: Column) -> str:
    return _plain(mean, column, "+")


def _tex(mean: Mean | None, column: Column) -> str:
    if mean is None:
        return "--"
    value = f"${mean.value:.{column.digits}f}$"
    if math.isnan(mean.low):
        return value
    ends = f"{mean.low:.{column.digits}f}, {mean.high:.{column.digits}f}"
    return value + rf" {{\scriptsize $[{ends}]$}}"
