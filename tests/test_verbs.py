"""However a verb fails, it says a sentence and exits with the decided code."""

from __future__ import annotations

import errno
import json

import click
import pytest
import torch
from click.testing import CliRunner, Result

from hfinv import options
from hfinv.errors import PhotoError, WeightsError
from hfinv.verbs import Verbs


def run(failure: BaseException, *words: str) -> Result:
    """A command line whose one verb fails so."""

    @click.group(cls=Verbs)
    def main() -> None:
        """All verbs."""

    @main.command()
    @options.as_json
    @options.talk
    def fail(as_json: bool, quiet: bool) -> None:
        raise failure

    return CliRunner().invoke(main, ["fail", *words])


FAILURES = [
    (
        PhotoError("no face found in `cat.jpg`", "crop closer"),
        3,
        "no face found in `cat.jpg`\n\nhint: crop closer\n",
    ),
    (WeightsError("no weights at `x`"), 4, "no weights at `x`\n"),
    (
        OSError(errno.ENOSPC, "No space left on device"),
        1,
        "the disk is full\n\nhint: free some space",
    ),
    (
        PermissionError(errno.EACCES, "Permission denied", "/x"),
        1,
        "`/x` may not be read or written\n",
    ),
    (MemoryError(), 1, "there is not enough memory\n\nhint: close other programs"),
    (
        torch.OutOfMemoryError("CUDA out of memory. Tried ..."),
        1,
        "the GPU has not enough free memory\n",
    ),
    (
        ValueError("photo is [1]\nmore"),
        1,
        "ValueError: photo is [1]\n\nhint: this is a bug; run it again with `--debug`",
    ),
    (RuntimeError(), 1, "RuntimeError: \n\nhint: this is a bug"),
]


@pytest.mark.parametrize(("failure", "code", "said"), FAILURES)
def test_a_failure_is_a_sentence_and_a_code(failure: Exception, code: int, said: str) -> None:
    result = run(failure)
    assert result.exit_code == code
    assert result.stdout == "" and result.stderr.startswith(f"error: {said}")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("failure", [PhotoError("no face"), ValueError("odd")])
def test_debug_shows_where_an_error_arose(failure: Exception) -> None:
    result = run(failure, "--debug")
    assert result.exit_code == getattr(failure, "exit_code", 1)
    assert "Traceback" in result.stderr and "raise failure" in result.stderr
    assert "error: " in result.stderr


def test_a_failure_with_json_is_one_object() -> None:
    facts = json.loads(run(PhotoError("no face", "crop closer"), "--json").stdout)
    assert facts == {"schema": 1, "error": "no face", "hint": "crop closer", "exit_code": 3}


def test_an_interruption_exits_with_130_and_one_line() -> None:
    result = run(KeyboardInterrupt())
    assert result.exit_code == 130
    assert result.stdout == "" and result.stderr.strip().startswith(
        "interrupted; what is finished is kept"
    )
