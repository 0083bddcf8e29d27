"""A run's directory belongs to one process at a time, and to no dead one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_run import PARTS, invert

from hfinv.errors import HfinvError
from hfinv.run import Run


def test_one_run_has_one_writer(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", first_key_parts=PARTS)
    with pytest.raises(HfinvError, match=f"in use by another hfinv .process {os.getpid()}"):
        Run.create(tmp_path / "run", first_key_parts=PARTS)
    run.close()
    Run.create(tmp_path / "run", first_key_parts=PARTS).close()


def test_the_lock_of_a_killed_process_holds_nobody_up(tmp_path: Path) -> None:
    code = f"""
import os, signal
from hfinv.run import Run
run = Run.create({str(tmp_path / "run")!r}, first_key_parts={PARTS!r})
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    assert (tmp_path / "run" / ".lock").read_text()
    invert(tmp_path / "run")
