"""The run directory, with stages of a few numbers."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hfinv.errors import HfinvError, UsageError
from hfinv.progress import Progress, Record, Stage, Step, ignore
from hfinv.run import Run

PARTS = {"photo": "aa", "generator": "bb", "seed": 0, "device": "cpu"}


@dataclass(frozen=True)
class Settings:
    steps: int = 3
    rate: float = 0.5


@dataclass(frozen=True)
class Made:
    value: Tensor
    psnr: float
    warnings: tuple[str, ...] = ()


made: list[str] = []
"""The stages made since the test began, by their start value."""


@pytest.fixture(autouse=True)
def nothing_made() -> None:
    made.clear()


def first(start: float, config: Settings) -> Made:
    made.append("first")
    return Made(torch.full((2,), start) * config.rate, 1.5, ("dim light",))


def second(before: Made, config: Settings, *, seed: int = 0, progress: Progress = ignore) -> Made:
    made.append("second")
    for step in range(config.steps):
        progress(Step("second", step + 1, config.steps, {"loss": config.rate / (step + 1)}))
    return Made(before.value + config.steps + seed, float("inf"))


def third(before: Made, config: Settings) -> Made:
    made.append("third")
    return Made(before.value * 10, 30.0)


def draw(result: Made, folder: Path) -> None:
    (folder / "fit.png").write_bytes(b"a picture")


def invert(
    path: Path,
    one: Settings = Settings(),
    two: Settings = Settings(),
    three: Settings = Settings(),
    progress: Progress = ignore,
    lenders: tuple[Path, ...] = (),
    **parts: object,
) -> Made:
    """A pipeline of three stages."""
    create = partial(
        Run.create,
        about={"photo": "face.jpg"},
        settings="a = 1\n",
        progress=progress,
        lenders=lenders,
    )
    with create(path, first_key_parts={**PARTS, **parts}) as run:
        a = run.stage("first", first, 4.0, config=one)
        b = run.stage("second", second, a, config=two, save_pictures=draw, seed=1)
        return run.stage("third", third, b, config=three)


def files(path: Path) -> dict[str, bytes]:
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_stages_are_made_in_order_and_their_results_come_back(tmp_path: Path) -> None:
    result = invert(tmp_path / "run")
    assert made == ["first", "second", "third"]
    # first: 4 * 0.5; second: + 3 steps + seed 1; third: * 10
    assert torch.equal(result.value, torch.full((2,), 60.0)) and result.psnr == 30.0


def test_the_same_again_makes_nothing_and_changes_no_byte(tmp_path: Path) -> None:
    fresh = invert(tmp_path / "run")
    before = files(tmp_path / "run")
    made.clear()
    again = invert(tmp_path / "run")
    assert made == [] and torch.equal(again.value, fresh.value)
    assert files(tmp_path / "run") == before


def test_two_runs_of_the_same_work_differ_in_run_json_alone(tmp_path: Path) -> None:
    invert(tmp_path / "one")
    invert(tmp_path / "two")
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] in ([], ["run.json"])


CHANGES = pytest.mark.parametrize(
    ("changed", "remade"),
    [
        ({"one": Settings(rate=0.25)}, ["first", "second", "third"]),
        ({"two": Settings(steps=5)}, ["second", "third"]),
        ({"three": Settings(rate=0.1)}, ["third"]),
        ({"seed": 1}, ["first", "second", "third"]),
        ({"generator": "cc"}, ["first", "second", "third"]),
        ({"device": "cuda"}, ["first", "second", "third"]),
    ],
)


@CHANGES
def test_a_change_remakes_what_depends_on_it_and_nothing_else(
    tmp_path: Path, changed: dict, remade: list[str]
) -> None:
    invert(tmp_path / "run")
    made.clear()
    invert(tmp_path / "run", **changed)
    assert made == remade


@CHANGES
def test_another_run_lends_what_does_not_depend_on_the_change(
    tmp_path: Path, changed: dict, remade: list[str]
) -> None:
    lender, other = tmp_path / "lender", tmp_path / "other"
    invert(lender)
    wanted = invert(tmp_path / "alone", **changed)
    made.clear()
    found = invert(other, lenders=(tmp_path / "none", lender), **changed)
    assert made == remade and torch.equal(found.value, wanted.value)
    took = {run: json.loads((run / "run.json").read_text())["stages"] for run in (lender, other)}
    for name in {"first", "second", "third"} - set(remade):
        assert took[other][name] == took[lender][name]  # the seconds that it took there
    made.clear()
    invert(other, **changed)
    assert made == []


@pytest.mark.parametrize("left", ["run.json", "first"])
def test_a_lender_that_lost_something_lends_none_of_it(tmp_path: Path, left: str) -> None:
    lender = tmp_path / "lender"
    invert(lender)
    for name in {"run.json", "first"} - {left}:
        shutil.rmtree(lender / name) if (lender / name).is_dir() else (lender / name).unlink()
    made.clear()
    assert torch.equal(invert(tmp_path / "run", lenders=(lender,)).value, torch.full((2,), 60.0))
    assert "first" in made


def test_progress_hears_of_stages_and_steps_and_of_what_was_kept(tmp_path: Path) -> None:
    heard: list[Record] = []
    invert(tmp_path / "run", progress=heard.append)
    states = [(r.name, r.state) for r in heard if isinstance(r, Stage)]
    names = ("first", "second", "third")
    assert states == [(name, state) for name in names for state in ("begun", "made")]
    steps = [r for r in heard if isinstance(r, Step)]
    assert [s.step for s in steps] == [1, 2, 3] and steps[1].losses == {"loss": 0.25}

    heard.clear()
    invert(tmp_path / "run", progress=heard.append)
    assert [(r.name, r.state) for r in heard] == [(name, "kept") for name in names]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_a_stage_that_fails_leaves_the_stages_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    def fail(*_: object) -> Made:
        raise failure

    monkeypatch.setattr(sys.modules[__name__], "third", fail)
    with pytest.raises(failure):
        invert(tmp_path / "run")
    assert not [name for name in os.listdir(tmp_path / "run") if "part" in name]
    monkeypatch.undo()
    made.clear()
    invert(tmp_path / "run")
    assert made == ["third"]


KILLED = """
import os, sys, signal
sys.path.insert(0, {tests!r})
import test_run

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if {where!r} == "optimising":
    plain = test_run.second
    def second(before, config: test_run.Settings, *, seed=0, progress=test_run.ignore) -> test_run.Made:
        progress(test_run.Step("second", 1, 3, {{"loss": 1.0}}))
        kill()
    test_run.second = second
else:
    test_run.draw = kill
test_run.invert(test_run.Path({run!r}))
"""


@pytest.mark.parametrize("where", ["optimising", "saving"])
def test_a_killed_run_goes_on_and_equals_an_uninterrupted_one(tmp_path: Path, where: str) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent), run=str(tmp_path / "run"), where=where)
    killed = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "run" / "first").is_dir() and not (tmp_path / "run" / "second").exists()

    invert(tmp_path / "run")
    assert made == ["second", "third"]
    invert(tmp_path / "whole")
    resumed, whole = files(tmp_path / "run"), files(tmp_path / "whole")
    assert resumed.pop("run.json") and whole.pop("run.json")
    assert resumed == whole


@pytest.mark.parametrize("damage", ["stage.json", "tensors.safetensors"])
def test_a_half_written_stage_is_made_again(tmp_path: Path, damage: str) -> None:
    invert(tmp_path / "run")
    file = tmp_path / "run" / "second" / damage
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    made.clear()
    invert(tmp_path / "run")
    assert made == ["second"]  # what it makes is what it was, so the third stays
    assert file.read_bytes() == whole


def test_a_half_written_run_json_is_written_again(tmp_path: Path) -> None:
    invert(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text('{"schema": ')
    made.clear()
    invert(tmp_path / "run")
    assert made == []
    assert Run.open(tmp_path / "run").about["inputs"] == PARTS


def test_run_json_tells_where_the_run_comes_from(tmp_path: Path) -> None:
    invert(tmp_path / "run")
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["schema"] == 1 and about["photo"] == "face.jpg" and about["inputs"] == PARTS
    assert about["libraries"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert about["stages"].keys() == {"first", "second", "third"}
    assert str(tmp_path) not in json.dumps({**about, "command": ""})  # a run can be moved
    assert (tmp_path / "run" / "settings.toml").read_text() == "a = 1\n"


def test_another_photo_does_not_overwrite_finished_stages(tmp_path: Path) -> None:
    invert(tmp_path / "run")
    before = files(tmp_path / "run")
    with pytest.raises(UsageError, match="another photo"):
        invert(tmp_path / "run", photo="zz")
    after = files(tmp_path / "run")
    assert before.pop(".lock") == b"" and after.pop(".lock") is not None and before == after


def test_another_photo_may_follow_one_that_failed_at_once(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", first_key_parts=PARTS).close()
    invert(tmp_path / "run", photo="zz")
    assert made == ["first", "second", "third"]


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not empty and not a run"):
        invert(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_folder_with_another_programs_run_json_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"epochs": 3}')
    with pytest.raises(UsageError, match="not a run"):
        invert(tmp_path)
    assert (tmp_path / "run.json").read_text() == '{"epochs": 3}'


def test_a_run_of_another_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    invert(tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    file.write_text(file.read_text().replace('"schema": 1', '"schema": 9'))
    for use in (invert, Run.open):
        with pytest.raises(HfinvError, match="schema 9.*schema 1") as caught:
            use(tmp_path / "run")
        assert caught.value.exit_code == 1 and caught.value.hint


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_path_that_can_be_no_folder_is_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HfinvError, match="file") as caught:
        invert(tmp_path / place)
    assert "--out" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HfinvError, match="Permission denied"):
        invert(tmp_path / "run")
    tmp_path.chmod(0o700)


def test_a_full_disk_is_one_sentence_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invert(tmp_path / "run")
    whole = files(tmp_path / "run" / "second")

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(HfinvError, match="disk is full: `.*second`"):
        invert(tmp_path / "run", two=Settings(steps=5))
    monkeypatch.undo()
    assert files(tmp_path / "run" / "second") == whole
    made.clear()
    invert(tmp_path / "run")
    assert made == []


def test_an_open_run_gives_its_stages_and_says_what_is_missing(tmp_path: Path) -> None:
    result = invert(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert torch.equal(run.load("third", Made).value, result.value)
    with pytest.raises(HfinvError, match="no finished `tuning`"):
        run.load("tuning", Made)


def test_a_stage_whose_ground_was_made_anew_is_not_given_out(tmp_path: Path) -> None:
    invert(tmp_path / "run")
    with Run.create(tmp_path / "run", first_key_parts=PARTS) as run:
        run.stage("first", first, 4.0, config=Settings(rate=0.25))  # and then it was interrupted
    run = Run.open(tmp_path / "run")
    assert run.load("first", Made).value[0] == 1.0
    with pytest.raises(HfinvError, match="no finished `third`"):
        run.load("third", Made)


@pytest.mark.parametrize("content", [None, "{"])
def test_a_folder_that_is_no_run_cannot_be_opened(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(UsageError, match="not a run"):
        Run.open(tmp_path)
    with pytest.raises(UsageError, match="there is no run"):
        Run.open(tmp_path / "nowhere")


def test_a_run_that_was_moved_still_resumes(tmp_path: Path) -> None:
    invert(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    made.clear()
    invert(tmp_path / "moved")
    assert made == []


def test_the_summary_has_times_numbers_files_and_warnings(tmp_path: Path) -> None:
    invert(tmp_path / "run")
    run = Run.open(tmp_path / "run")
    summary = run.summary()
    assert summary["run"] == tmp_path / "run" and summary["warnings"] == ["dim light"]
    assert summary["metrics"] == {"first": {"psnr": 1.5}, "third": {"psnr": 30.0}}
    assert list(summary["stages"]) == ["first", "second", "third"]
    seconds = run.about["stages"]["first"]["seconds"]
    assert summary["stages"]["first"] == {"seconds": seconds, "made": False}
    assert summary["files"]["second/fit.png"] == tmp_path / "run" / "second" / "fit.png"
    assert summary["files"].keys() >= {"run.json", "settings.toml", "metrics.jsonl"}


def test_a_stage_must_say_what_it_returns(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", first_key_parts=PARTS) as run:
        with pytest.raises(TypeError, match="does not say what it returns"):
            run.stage("odd", lambda config: config, config=Settings())


def test_a_partial_of_a_stage_is_a_stage(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", first_key_parts=PARTS) as run:
        result = run.stage("first", partial(first, 2.0), config=Settings())
    assert result.value[0] == 1.0
