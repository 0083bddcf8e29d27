from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from export_examples import ball_head

from hfinv import pipeline
from hfinv.cli import main


@pytest.fixture(autouse=True)
def no_run_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipeline, "open_head", lambda path, device: ball_head())
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["export", "run", *words, "--device", "cpu"])


def test_a_file_is_written_and_named_on_stdout(tmp_path: Path) -> None:
    result = run("ball.obj", "--grid", "48", "--faces", "1200", "--texture", "128")
    assert (result.exit_code, result.stdout) == (0, "ball.obj\nball.mtl\nball.png\n")
    assert all((tmp_path / name).stat().st_size for name in result.stdout.split())


def test_json_names_every_file(tmp_path: Path) -> None:
    words = "ball.stl --grid 48 --faces 1200 --watertight --for blender --json".split()
    found = json.loads(run(*words).stdout)["files"]
    assert found == [str(tmp_path / "ball.stl"), str(tmp_path / "ball_blender.py")]


@pytest.mark.parametrize(
    "words",
    [
        "ball.fbx",
        "ball.glb --for maya",
        "ball.glb --texture 64 --vertex-colours",
        "ball.glb --grid 2",
    ],
)
def test_what_cannot_be_is_a_usage_error_and_writes_nothing(words: str, tmp_path: Path) -> None:
    result = run(*words.split())
    assert result.exit_code == 2 and not result.stdout and not list(tmp_path.iterdir())
