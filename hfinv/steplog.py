"""`metrics.jsonl` of a run: the losses of each step, a line each."""

from __future__ import annotations

import json
from collections.abc import Container
from pathlib import Path

from hfinv import storage
from hfinv.errors import HfinvError
from hfinv.image import written_aside
from hfinv.progress import Progress, Record, Step


def logged(path: Path, name: str, earlier: Container[str], progress: Progress) -> Progress:
    """A listener that writes each step to a file before it passes it on.

    Args:
        path: the file; lines of stages that are not `earlier` are dropped from it first.
        name: of the stage whose steps will be heard.
        earlier: the stages whose lines still hold.
        progress: hears of everything afterwards.

    Raises:
        HfinvError: when it hears of a step, and the file cannot be written.
    """
    lines = lines_of(path)
    kept = [line for line in lines if _stage_of(line) in earlier]
    if kept != lines:
        with written_aside(path) as aside:
            aside.write_text("".join(kept), encoding="utf-8")

    def heard(record: Record) -> None:
        if isinstance(record, Step):
            losses = {key: storage.finite(value) for key, value in record.losses.items()}
            line = {"stage": name, "step": record.step, "steps": record.steps, "losses": losses}
            _append(path, json.dumps(line) + "\n")
        progress(record)

    return heard


def lines_of(path: Path) -> list[str]:
    """The lines of a text file; none if it is not there, or no text."""
    try:
        return path.read_text(encoding="utf-8").splitlines(keepends=True)
    except (FileNotFoundError, UnicodeDecodeError):
        return []


def _stage_of(line: str) -> str | None:
    try:
        return json.loads(line)["stage"]
    except (ValueError, KeyError, TypeError):  # cut off by a kill
        return None


def _append(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        raise HfinvError(
            f"`{path}` cannot be written ({error.strerror})",
            "free some space, then run the same command again",
        ) from error
