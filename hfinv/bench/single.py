"""One run measured by itself: `hfinv eval`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hfinv.bench.measure import FOLDER, measure
from hfinv.bench.sheets import draw_sheet
from hfinv.bench.summary import summarise
from hfinv.bench.table import as_markdown
from hfinv.bench.truth import TrueHead, read_heads
from hfinv.errors import UsageError
from hfinv.identity import EMBEDDER
from hfinv.pipeline import opened
from hfinv.run import Run

TABLE, SHEET = "table.md", "sheet.png"


def evaluate(
    run: str | os.PathLike[str],
    truth: Path | None = None,
    head: str | None = None,
    device: str = "auto",
) -> tuple[str, dict[str, Any]]:
    """Measure a finished run; writes `scores.json`, `table.md`, a contact sheet and the views to its folder `eval`.

    Args:
        run: the run directory.
        truth: data directory that holds its head; without one, the run is compared with its photo.
        head: which of the directory's heads; found by the photo if None.
        device: auto, cpu, cuda or cuda:n.

    Returns:
        The table as Markdown, and the scores.

    Raises:
        UsageError: there is no such run or head, or the data directory is faulty.
    """
    run = Path(run)
    photo = Run.open(run).about["inputs"]["photo"]
    true_head = None if truth is None else _chosen(read_heads(truth), photo, head, truth)
    scores = measure(run, true_head, device)
    source = "its photo" if true_head is None else f"head `{true_head.name}` of `{truth}`"
    noted = (f"compared with {source}", f"identity distance: {EMBEDDER}")
    table = as_markdown(summarise({run.name: {"head": scores}}), noted)
    (run / FOLDER / TABLE).write_text(table, encoding="utf-8")
    shown = run / "intake" / "crop.png" if true_head is None else true_head.input.image
    draw_sheet(run / FOLDER / SHEET, shown, true_head, {run.name: run})
    return table, scores


def _chosen(heads: tuple[TrueHead, ...], photo: str, name: str | None, folder: Path) -> TrueHead:
    """The head of that name, or the one whose input picture is the run's photo."""
    names = ", ".join(f"`{head.name}`" for head in heads)
    if name is not None:
        found = [head for head in heads if head.name == name]
        if not found:
            raise UsageError(f"`{folder}` has no head `{name}`", f"choose one of {names}")
        return found[0]
    found = [head for head in heads if opened(head.input.image)[2] == photo]
    if not found:
        raise UsageError(
            f"no head of `{folder}` has the photo of this run as its input",
            f"say which it is with `--head`: {names}",
        )
    return found[0]
