"""One page a run: what went in, what came out, and what of it is guessed. A single file that needs no network.

face.hfinv/report.html
"""

from __future__ import annotations

import time
from pathlib import Path

from hfinv import __version__, storage
from hfinv.editing import is_edit
from hfinv.errors import HfinvError, UsageError
from hfinv.head import Head
from hfinv.image import written_aside
from hfinv.progress import Progress, Stage, Warned, ignore
from hfinv.report.contents import STAGE, ReportConfig, gather
from hfinv.report.page import HEAD_BYTES, lay_out, mark
from hfinv.run import Run
from hfinv.rundir import METRICS, REPORT, SETTINGS

__all__ = ["ReportConfig", "attempt", "current", "open_run", "write"]

SCHEMA = 1
"""Of the page; a page of another one is written anew."""


def open_run(path: Path) -> Run:
    """The run to report.

    Raises:
        UsageError: there is none, or it is an edit.
    """
    if is_edit(path):
        run = path.resolve().parent.parent
        raise UsageError(f"`{path}` is an edit, and reports are of runs", f"hfinv report {run}")
    return Run.open(path)


def write(
    run: Run,
    head: Head,
    config: ReportConfig = ReportConfig(),
    out: Path | None = None,
    progress: Progress = ignore,
) -> Path:
    """Write a run's report, unless the one that is there says the same.

    Args:
        run: finished.
        head: of the run.
        config: how much it shows.
        out: the file; `report.html` in the run if None.
        progress: hears of the report, as of a stage.

    Returns:
        The file.

    Raises:
        HfinvError: the run is not finished, or the file cannot be written.
    """
    path = current(run, config, out)
    if path is not None:
        progress(Stage(STAGE, "kept"))
        return path
    progress(Stage(STAGE, "begun"))
    start = time.perf_counter()
    path = out or run.path / REPORT
    text = lay_out(gather(run, head, config, progress), key_of(run, config))
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
    progress(Stage(STAGE, "made", time.perf_counter() - start))
    return path


def attempt(run: Run, head: Head, progress: Progress = ignore) -> None:
    """`write`, for whom a finished head is worth more than its report: a failure is a warning."""
    try:
        write(run, head, progress=progress)
    except Exception as error:
        reason = (
            error.message if isinstance(error, HfinvError) else f"{type(error).__name__}: {error}"
        )
        first = (reason.splitlines() or [""])[0]
        progress(Warned(f"the head is done, but its report could not be written ({first})"))


def current(
    run: Run, config: ReportConfig = ReportConfig(), out: Path | None = None
) -> Path | None:
    """The report, if it is there and says what `write` would say."""
    path = out or run.path / REPORT
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return None
    return path if mark(key_of(run, config)).encode() in head else None


def key_of(run: Run, config: ReportConfig) -> str:
    """Digest of everything that the report depends on: not of how the command was typed."""
    about = {name: value for name, value in run.about.items() if name != "command"}
    texts = [_text(run.path / name) for name in (SETTINGS, METRICS)]
    return storage.digest(
        "report", SCHEMA, __version__, run.path.resolve().name, about, *texts, config
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
