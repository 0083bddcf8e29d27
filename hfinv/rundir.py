"""A run's directory before work begins: is it one, is it ours, does another process hold it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from hfinv.errors import HfinvError, UsageError

SCHEMA = 1
"""Of the directory's layout and keys; a run of another schema is neither read nor overwritten."""
ABOUT, SETTINGS, METRICS, LOCK = "run.json", "settings.toml", "metrics.jsonl", ".lock"
REPORT = "report.html"
ELSEWHERE = "choose another folder with `--out`"


def make_directory(path: Path) -> None:
    """See that the directory exists and is empty or a run; hidden files do not count.

    Raises:
        UsageError: it is something else.
        HfinvError: it cannot be made or read.
    """
    try:
        if path.exists() and not path.is_dir():
            raise UsageError(f"`{path}` is a file, not a folder", ELSEWHERE)
        path.mkdir(parents=True, exist_ok=True)
        names = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise HfinvError(f"`{path}` cannot be used ({error.strerror})", ELSEWHERE) from error
    if names and ABOUT not in names:
        raise UsageError(
            f"`{path}` is not empty and not a run", f"{ELSEWHERE}, nothing in this one was changed"
        )


def read_about(path: Path) -> dict[str, Any] | None:
    """`run.json`; None if there is none, or only a part of one."""
    try:
        about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(about, dict) or not {"schema", "hfinv"} <= about.keys():
        raise UsageError(f"`{path}` is not a run, its `{ABOUT}` is another program's", ELSEWHERE)
    if about["schema"] != SCHEMA:
        raise HfinvError(
            f"`{path}` was made by hfinv {about['hfinv']} (runs of schema {about['schema']}), "
            f"this one knows schema {SCHEMA}",
            "use that version, or make the run anew in another folder with `--out`",
        )
    return about if {"key", "stages"} <= about.keys() else None


def locked(path: Path) -> IO[str]:
    """The run's lock file, held until it is closed or its process dies, however it dies."""
    try:
        file = (path / LOCK).open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise _in_use(path, file) from error
            return file  # a file system without locks
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        return file
    except OSError as error:
        raise HfinvError(f"`{path}` cannot be written ({error.strerror})", ELSEWHERE) from error


def _in_use(path: Path, file: IO[str]) -> HfinvError:
    with file:
        file.seek(0)
        holder = file.read().strip()
    by = f" (process {holder})" if holder else ""
    return HfinvError(
        f"`{path}` is in use by another hfinv{by}", f"wait until it has finished, or {ELSEWHERE}"
    )
