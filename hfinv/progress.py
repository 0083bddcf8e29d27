"""How long-running work tells how far it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Step:
    """One step of an optimisation, or of any other work that can be counted."""

    stage: str
    """What is being done, in one word."""
    step: int
    """How many steps are done; the first record says 1."""
    steps: int
    """How many there will be."""
    losses: dict[str, float] = field(default_factory=dict)
    """The step's losses by name, not weighted."""


@dataclass(frozen=True)
class Stage:
    """A stage begins, or is there."""

    name: str
    state: Literal["begun", "made", "kept"]
    """`kept` was found finished from an earlier run."""
    seconds: float = 0.0
    """How long making it took; for `kept`, how long it took then, 0 if that is not known."""


@dataclass(frozen=True)
class Warned:
    """Something that a person should know, and that stops nothing."""

    sentence: str
    """Without full stop."""


Record = Step | Stage | Warned
Progress = Callable[[Record], None]
"""Who listens: a console, a log, a list in a test."""


def ignore(record: Record) -> None:
    """Listen to nothing."""
