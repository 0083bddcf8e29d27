from __future__ import annotations

import json
from pathlib import Path

import pytest

from hfinv import console
from hfinv.errors import PhotoError
from hfinv.progress import Stage, Step, Warned

ESCAPE = "\x1b"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def optimise(quiet: bool, clock: list[float] | None = None) -> console.Listener:
    """An intake that was kept, and 30 steps of one second each."""
    with console.Listener(quiet) as progress:
        progress(Stage("intake", "kept", 0.8))
        progress(Stage("latent", "begun"))
        for step in range(1, 31):
            if clock:
                clock[0] += 1
            progress(Step("latent", step, 30, {"lpips": 0.5 / step, "colour": 0.1}))
        progress(Stage("latent", "made", 30.04))
    return progress


def test_without_a_terminal_there_is_a_line_a_stage_and_one_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    optimise(False, clock)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "✓ intake  kept",
        "latent 10/30  lpips 0.05  colour 0.1  20 s left",
        "latent 20/30  lpips 0.025  colour 0.1  10 s left",
        "latent 30/30  lpips 0.0167  colour 0.1  0 s left",
        "✓ latent  30.0 s",
    ]


def test_a_quiet_console_says_nothing_but_remembers(capsys: pytest.CaptureFixture[str]) -> None:
    progress = optimise(True)
    assert capsys.readouterr() == ("", "")
    assert [(stage.name, stage.state) for stage in progress.stages] == [
        ("intake", "kept"),
        ("latent", "made"),
    ]


def test_a_terminal_gets_a_bar_with_losses_and_colour(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    with console.Listener() as progress:
        progress(Stage("latent", "begun"))
        progress(Step("latent", 15, 30, {"lpips": 0.25}))
        progress._bars.refresh()
        progress(Stage("latent", "made", 2.0))
    out, err = capsys.readouterr()
    assert out == "" and f"{ESCAPE}[32m✓" in err
    assert "15/30" in err and "lpips 0.25" in err and "latent  2.0 s" in err


def test_no_color_is_respected(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    console.fail(PhotoError("no face", "crop closer"))
    err = capsys.readouterr().err
    assert "no face" in err and not any(f"{ESCAPE}[{code}" in err for code in ("31", "36", "1;31"))


def test_a_failure_is_a_sentence_a_blank_line_and_a_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.fail(PhotoError("no face found in `cat.jpg` [/b] " + "x" * 200, "crop closer"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: no face found in `cat.jpg` [/b] " + "x" * 200 + "\n\nhint: crop closer\n"


def test_a_failure_without_a_hint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.fail(PhotoError("no face"))
    assert capsys.readouterr().err == "error: no face\n"


def test_a_failure_as_json_is_one_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    console.fail(PhotoError("no face", "crop closer"), as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "schema": 1,
        "error": "no face",
        "hint": "crop closer",
        "exit_code": 3,
    }
    assert err.startswith("error: no face")


def test_json_has_a_schema_absolute_paths_and_no_infinity(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    facts = {"run": Path("face.hfinv"), "n": (1, float("inf")), "files": {"a": [Path("/b/c")]}}
    console.show("face.hfinv", facts, as_json=True)
    out, err = capsys.readouterr()
    assert err == "" and json.loads(out, parse_constant=pytest.fail) == {
        "schema": 1,
        "run": str(tmp_path / "face.hfinv"),
        "n": [1, None],
        "files": {"a": ["/b/c"]},
    }


def test_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    console.show("a/b.png\nc d.png", {}, as_json=False)
    assert capsys.readouterr() == ("a/b.png\nc d.png\n", "")


def test_the_next_command_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    console.suggest(["hfinv", "render", Path("my face.hfinv"), "--orbit", "360"])
    assert capsys.readouterr().err == "next: hfinv render 'my face.hfinv' --orbit 360\n"
    console.suggest(["hfinv"], quiet=True)
    assert capsys.readouterr().err == ""


def test_a_warning_on_the_way_is_told_even_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with console.Listener(quiet=True) as progress:
        progress(Step("tuning", 1, 2))
        progress(Warned("the page is not written"))
        progress(Step("tuning", 2, 2))
    assert capsys.readouterr().err == "warning: the page is not written\n"
