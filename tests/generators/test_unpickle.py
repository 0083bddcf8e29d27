"""Pickles that want harm are refused by name, soon, and in little memory."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import evil
import pytest
from click.testing import CliRunner

from hfinv.cli import main
from hfinv.errors import WeightsError
from hfinv.generators.stored import Source
from hfinv.generators.unpickle import read_pickle

SECONDS, MEGABYTES = 1.0, 200.0


def source_of(data: bytes) -> Source:
    from io import BytesIO

    return Source(BytesIO(data), len(data), "file.pkl")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, float, float]]:
    """What a process of its own said of each file."""
    folder, here = tmp_path_factory.mktemp("evil"), tmp_path_factory.mktemp("here")
    for number, data in enumerate(evil.cases().values()):
        (folder / f"{number:03}.pkl").write_bytes(data)
    command = [sys.executable, evil.__file__, str(folder)]
    root = Path(__file__).parents[2]
    found = subprocess.run(
        command, capture_output=True, text=True, cwd=here, env={"PYTHONPATH": str(root)}
    )
    assert found.returncode == 0 and not found.stderr, found.stderr
    assert not list(here.iterdir()), "something was run"
    return json.loads(found.stdout)


@pytest.mark.parametrize("number", range(len(evil.cases())), ids=list(evil.cases()))
def test_harm_is_refused_with_exit_code_4_soon_and_in_little_memory(
    number: int, told: dict[str, tuple[str, float, float]]
) -> None:
    for reader in ("read_card", "load"):
        said, seconds, megabytes = told[f"{number:03}.pkl {reader}"]
        assert said.startswith("4 ") and "Traceback" not in said
        assert seconds < SECONDS and megabytes < MEGABYTES, (seconds, megabytes)


def test_there_are_enough_of_them() -> None:
    assert len(evil.cases()) >= 30


@pytest.mark.parametrize("full", ["os.system", "builtins.eval", "torch.load", "builtins.getattr"])
def test_what_a_file_wants_to_run_is_named(full: str) -> None:
    module, _, name = full.rpartition(".")
    data = evil.P2 + evil.called(module, name, evil.text("x")) + evil.END
    with pytest.raises(WeightsError, match=f"refused: it imports `{full}`"):
        read_pickle(source_of(data))


def test_the_command_line_says_one_sentence_and_exits_with_4(tmp_path: Path) -> None:
    path = tmp_path / "harm.pkl"
    path.write_bytes(evil.cases()["os.system"])
    found = CliRunner().invoke(main, ["weights", "info", str(path)])
    assert found.exit_code == 4 and not found.stdout
    assert "refused: it imports `os.system`" in found.stderr and "Traceback" not in found.stderr


def test_what_a_file_says_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "harm.pkl"
    for case in ("a name that steers the terminal", "a long name"):
        path.write_bytes(evil.cases()[case])
        found = CliRunner().invoke(main, ["weights", "info", str(path)])
        said = found.stderr.replace(str(path), "").partition("hint:")[0].strip()
        assert found.exit_code == 4 and said.isprintable() and len(said) < 400


VALUES = [
    None,
    True,
    [1, 255, 65535, -1, 2**31 - 1, 2**40, -(2**70)],
    {"a": {"b": (1, (2,), (3, 4), (5, 6, 7), (8, 9, 10, 11))}, "c": [], 3: {}},
    OrderedDict(x=1.5, y=-2.25e300),
    {"set": {1, 2, 3}, "text": "ä" * 40, "bytes": b"\x00\xff" * 20, "empty": b""},
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_plain_data_comes_back_as_python_reads_it(value: object, protocol: int) -> None:
    assert read_pickle(source_of(pickle.dumps(value, protocol))) == value


@pytest.mark.parametrize("protocol", [2, 4])
def test_long_strings_stay_in_the_file_until_they_are_asked_for(protocol: int) -> None:
    value = bytes(range(256)) * 100
    assert read_pickle(source_of(pickle.dumps(value, protocol))).read() == value
