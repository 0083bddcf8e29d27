"""What people read, on stderr, and what scripts read, on stdout.

stdout gets results only: paths, or one JSON object. Everything is readable without colour.
"""

from __future__ import annotations

import json
import math
import shlex
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from hfinv.errors import HfinvError
from hfinv.progress import Record, Stage, Step, Warned

SCHEMA = 1
"""Of the JSON objects."""
PLAIN_EVERY = 10.0
"""Seconds between two lines of progress where stderr is no terminal."""


class Listener:
    """Shows progress: a line for each stage that is done, and a bar for the one that is not.

    Used as `with console.Listener(quiet) as progress:`; `progress` is called with each record.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = _stderr()
        self.stages: list[Stage] = []
        """The stages that are done, in order."""
        self._bars: Progress | None = None
        self._bar: TaskID | None = None
        self._stage = ""
        self._begun = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.quiet:
            self._bars = _bars(self.console)
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars is not None:
            self._clear()
            self._bars.stop()

    def __call__(self, record: Record) -> None:
        if isinstance(record, Warned):
            _line(self.console, _warning(record.sentence))
        elif isinstance(record, Stage) and record.state != "begun":
            self._done(record)
        else:
            stage = record.name if isinstance(record, Stage) else record.stage
            if stage != self._stage:
                self._begin(stage)
            if isinstance(record, Step):
                self._step(record)

    def _begin(self, stage: str) -> None:
        self._clear()
        self._stage = stage
        self._begun = self._said = time.monotonic()
        if self._bars is not None:
            self._bar = self._bars.add_task(stage, total=None, losses="")

    def _step(self, step: Step) -> None:
        if self._bars is not None and self._bar is not None:
            self._bars.update(
                self._bar, completed=step.step, total=step.steps, losses=_losses(step)
            )
        elif time.monotonic() - self._said >= PLAIN_EVERY:
            self._said = time.monotonic()
            left = (self._said - self._begun) / step.step * (step.steps - step.step)
            parts = [f"{step.stage} {step.step}/{step.steps}", _losses(step), f"{left:.0f} s left"]
            self._say("  ".join(part for part in parts if part))

    def _done(self, stage: Stage) -> None:
        self._clear()
        self._stage = ""
        self.stages.append(stage)
        took = "kept" if stage.state == "kept" else f"{stage.seconds:.1f} s"
        self._say(Text.assemble(("✓", "green"), f" {stage.name}  {took}"))

    def _clear(self) -> None:
        if self._bars is not None and self._bar is not None:
            self._bars.remove_task(self._bar)
            self._bar = None

    def _say(self, line: str | Text) -> None:
        if not self.quiet:
            _line(self.console, line)


def show(text: str, facts: dict[str, Any], as_json: bool) -> None:
    """Put a result on stdout.

    Args:
        text: what a person or a shell wants of it, such as paths, one a line.
        facts: the same and more for programs; paths become absolute.
        as_json: print the facts, as exactly one object, instead of the text.
    """
    click.echo(json.dumps({"schema": SCHEMA, **_plain(facts)}, indent=2) if as_json else text)


def warn(sentence: str) -> None:
    """One warning on stderr."""
    _line(_stderr(), _warning(sentence))


def note(sentence: str, quiet: bool = False) -> None:
    """One line on stderr that may be left out."""
    if not quiet:
        _line(_stderr(), sentence)


def suggest(command: Sequence[str | Path], quiet: bool = False) -> None:
    """The command that people type next."""
    note("next: " + shlex.join(map(str, command)), quiet)


def fail(error: HfinvError, as_json: bool = False, debug: bool = False) -> None:
    """Tell of a failure: the sentence, then the way out.

    Args:
        error: what went wrong.
        as_json: also put one object on stdout, for the program that waits for one.
        debug: the traceback first.
    """
    console = _stderr()
    if debug:
        _line(console, "".join(traceback.format_exception(error)).rstrip())
    _line(console, Text.assemble(("error", "bold red"), f": {error.message}"))
    if error.hint:
        _line(console, Text.assemble("\n", ("hint", "bold cyan"), f": {error.hint}"))
    if as_json:
        facts = {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}
        show("", facts, as_json=True)


def _stderr() -> Console:
    """Rich looks at stderr and at NO_COLOR anew each time."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def _line(console: Console, line: str | Text) -> None:
    console.print(line, soft_wrap=True)


def _bars(console: Console) -> Progress:
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[losses]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)


def _warning(sentence: str) -> Text:
    return Text.assemble(("warning", "bold yellow"), f": {sentence}")


def _losses(step: Step) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in step.losses.items())


def _plain(value: Any) -> Any:
    """What JSON can hold of it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
