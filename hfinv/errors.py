"""How hfinv fails: one sentence, one way out, one exit code."""

from __future__ import annotations


class HfinvError(Exception):
    """Something a person can mend. The command line prints it and exits with `exit_code`.

    Args:
        message: one sentence, no full stop; backticks around paths and commands.
        hint: what to do about it, if there is something to do.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(HfinvError):
    """The command or a setting was typed wrong."""

    exit_code = 2


class PhotoError(HfinvError):
    """The photo cannot be used."""

    exit_code = 3


class WeightsError(HfinvError):
    """Weights are missing, damaged or refused."""

    exit_code = 4


class BatchError(HfinvError):
    """Some items of a batch failed; the others are done."""

    exit_code = 5
