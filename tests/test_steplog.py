"""What a run keeps of each step's losses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from hfinv.errors import HfinvError
from hfinv.progress import Progress, Record, Stage, Step, ignore
from hfinv.run import Run
from hfinv.steplog import logged


def take(path: Path, name: str, losses: list[float], earlier: tuple[str, ...] = ()) -> None:
    heard = logged(path, name, earlier, ignore)
    for index, loss in enumerate(losses):
        heard(Step(name, index + 1, len(losses), {"loss": loss}))


def test_a_step_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    take(path, "tuning", [0.5, 0.25])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"stage": "tuning", "step": 1, "steps": 2, "losses": {"loss": 0.5}},
        {"stage": "tuning", "step": 2, "steps": 2, "losses": {"loss": 0.25}},
    ]


@dataclass(frozen=True)
class Steps:
    """Of a stage, and what it makes."""

    losses: tuple[float, ...]


def count(config: Steps, progress: Progress) -> Steps:
    for index, loss in enumerate(config.losses):
        progress(Step("second", index + 1, len(config.losses), {"loss": loss}))
    return config


def test_a_run_holds_one_line_a_step_of_the_last_making(tmp_path: Path) -> None:
    for losses in ((0.5, 0.25, 0.1), (0.5, 0.25), (float("nan"),)):
        with Run.create(tmp_path / "run", first_key_parts={"photo": "aa"}) as run:
            run.stage("first", count, config=Steps(()))
            run.stage("second", count, config=Steps(losses))
        lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line, parse_constant=pytest.fail) for line in lines] == [
            {
                "stage": "second",
                "step": index + 1,
                "steps": len(losses),
                "losses": {"loss": loss if loss == loss else None},
            }
            for index, loss in enumerate(losses)
        ]


def test_lines_stay_of_the_stages_that_still_hold(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    take(path, "latent", [3.0])
    take(path, "tuning", [2.0, 1.0], ("latent",))
    with path.open("a") as file:
        file.write('{"stage": "tuning", "st')  # a kill
    take(path, "tuning", [0.5], ("latent",))
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["stage"], line["losses"]["loss"]) for line in found] == [
        ("latent", 3.0),
        ("tuning", 0.5),
    ]


def test_a_loss_that_is_no_number_leaves_valid_json(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    take(path, "lost", [float("nan")])
    line = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert line["losses"] == {"loss": None}


def test_all_records_are_passed_on(tmp_path: Path) -> None:
    records: list[Record] = [Stage("a", "begun"), Step("a", 1, 1, {}), Stage("a", "made", 1.0)]
    passed: list[Record] = []
    heard = logged(tmp_path / "metrics.jsonl", "a", (), passed.append)
    for record in records:
        heard(record)
    assert passed == records


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    heard = logged(tmp_path / "no folder" / "metrics.jsonl", "a", (), ignore)
    with pytest.raises(HfinvError, match="cannot be written") as failed:
        heard(Step("a", 1, 1, {}))
    assert failed.value.hint
