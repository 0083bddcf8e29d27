"""The report beside its run: written, kept, written anew, and never in the way of a head."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_examples import QUICK, Page, finished

from hfinv import report
from hfinv.cli import main
from hfinv.errors import HfinvError, UsageError
from hfinv.progress import Record, Stage, Step, Warned, ignore
from hfinv.run import Run


def states(heard: list[Record]) -> list[str]:
    return [record.state for record in heard if isinstance(record, Stage)]


def test_it_is_written_once_and_then_kept_byte_for_byte(tmp_path: Path) -> None:
    run, head = finished(tmp_path / "run")
    heard: list[Record] = []
    path = report.write(run, head, QUICK, progress=heard.append)
    assert path == tmp_path / "run" / "report.html" and states(heard) == ["begun", "made"]
    steps = [record for record in heard if isinstance(record, Step)]
    assert steps[-1].step == steps[-1].steps  # the bar is full at the end
    before, when = path.read_bytes(), path.stat().st_mtime_ns
    assert len(before) < 8_000_000
    heard.clear()
    assert report.write(run, head, QUICK, progress=heard.append) == path
    assert states(heard) == ["kept"] and path.stat().st_mtime_ns == when
    path.unlink()
    assert report.write(run, head, QUICK).read_bytes() == before
    assert Run.open(tmp_path / "run").summary()["files"]["report.html"] == path


def test_another_way_to_type_the_command_keeps_it_and_other_losses_do_not(tmp_path: Path) -> None:
    run, head = finished(tmp_path / "run")
    report.write(run, head, QUICK)
    about = tmp_path / "run" / "run.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"command": "hfinv invert other"}))
    assert report.current(Run.open(tmp_path / "run"), QUICK) is not None
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "tuning", "step": 4, "steps": 4, "losses": {"lpips": 0.01}}\n')
    assert report.current(Run.open(tmp_path / "run"), QUICK) is None


def test_it_can_be_written_elsewhere(tmp_path: Path) -> None:
    run, head = finished(tmp_path / "run")
    path = report.write(run, head, QUICK, out=tmp_path / "new" / "page.html")
    assert path == tmp_path / "new" / "page.html" and Page(path.read_text()).all("h1")
    assert not (tmp_path / "run" / "report.html").exists()


def test_a_photo_named_like_a_program_is_harmless(tmp_path: Path) -> None:
    run, head = finished(tmp_path / "<script>", photo="<script>alert(1)</script>")
    text = report.write(run, head, QUICK).read_text()
    page = Page(text)
    assert "".join(page.texts["h1"]) == "<script>alert(1)</script>"
    assert "alert(1)" not in "".join(page.texts.get("script", []))


def test_a_failure_is_a_warning_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: object) -> None:
        raise ZeroDivisionError("by zero\nand more")

    run, head = finished(tmp_path / "run")
    monkeypatch.setattr(report, "gather", fail)
    heard: list[Record] = []
    report.attempt(run, head, heard.append)
    (warned,) = [record for record in heard if isinstance(record, Warned)]
    assert warned.sentence.endswith("could not be written (ZeroDivisionError: by zero)")
    assert not (tmp_path / "run" / "report.html").exists()


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    run, head = finished(tmp_path / "run")
    (tmp_path / "run" / "tuning" / "stage.json").unlink()
    with pytest.raises(HfinvError, match="no finished `tuning`"):
        report.write(run, head, QUICK)


def test_what_is_no_run_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run"):
        report.open_run(tmp_path)
    edit = tmp_path / "run" / "edits" / "old"
    edit.mkdir(parents=True)
    (edit / "stage.json").write_text('{"stage": "edit"}')
    with pytest.raises(UsageError, match="is an edit") as caught:
        report.open_run(edit)
    assert caught.value.hint == f"hfinv report {tmp_path / 'run'}"


def test_a_run_that_kept_no_photo_is_shown_without(tmp_path: Path) -> None:
    run, head = finished(tmp_path / "run")
    (tmp_path / "run" / "intake" / "photo.jpg").unlink()
    assert "did not keep the whole photo" in report.write(run, head, QUICK).read_text()


def test_the_verb_names_the_file_and_keeps_it_without_loading_the_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, head = finished(tmp_path / "run")
    opened: list[Path] = []
    monkeypatch.setattr(
        "hfinv.pipeline.open_head", lambda path, device: opened.append(path) or head
    )
    # What the verb writes by default takes longer than a test should.
    monkeypatch.setattr(report.write, "__defaults__", (QUICK, None, ignore))
    monkeypatch.setattr(report.current, "__defaults__", (QUICK, None))
    words = ["report", str(tmp_path / "run"), "--json", "--device", "cpu"]
    facts = json.loads(CliRunner().invoke(main, words, catch_exceptions=False).stdout)
    assert facts["files"] == [str(tmp_path / "run" / "report.html")] and len(opened) == 1
    again = CliRunner().invoke(main, words[:2], catch_exceptions=False)
    assert again.stdout == f"{tmp_path / 'run' / 'report.html'}\n" and len(opened) == 1
    assert again.stderr.endswith(f"next: hfinv view {tmp_path / 'run'}\n")
