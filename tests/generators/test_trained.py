"""Directions as files: found by their own generator, refused by any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import Ball

from hfinv.errors import UsageError, WeightsError
from hfinv.generators import BUNDLED
from hfinv.generators.base import Factor
from hfinv.generators.trained import Trained, beside, folder_for, known, load, save, user_folder

MINE, OTHERS = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights" / "mine.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"")
    return path


def trained(name: str = "smile", generator: str = MINE) -> Trained:
    return Trained(name, "wide", generator, torch.arange(8.0), torch.ones(8), {"accuracy": 0.9})


def test_a_direction_comes_back_as_it_was(tmp_path: Path) -> None:
    path = save(trained(), tmp_path / "new")
    again = load(path)
    assert torch.equal(again.vector, trained().vector) and again.report == {"accuracy": 0.9}
    assert (again.name, again.meaning, again.generator) == ("smile", "wide", MINE)
    assert path.read_bytes() == save(trained(), tmp_path / "twice").read_bytes()


def test_an_unlabelled_generator_has_what_was_trained_for_it(weights: Path) -> None:
    save(trained(), folder_for(weights, MINE))
    along = known(Ball(), weights, MINE)
    assert along.names == ("smile",) and torch.equal(along.along("smile", 2), 2 * trained().vector)


def test_without_any_the_way_out_is_named(weights: Path) -> None:
    with pytest.raises(UsageError) as caught:
        known(Ball(), weights, MINE)
    assert "hfinv direction train" in caught.value.hint


def test_trained_directions_join_the_labelled_ones(weights: Path) -> None:
    ball = Ball()
    factors = tuple(Factor(f"factor_{'abcdefgh'[k]}", "more") for k in range(8))
    ball.card = replace(ball.card, factors=factors)
    save(trained(), beside(weights))
    save(replace(trained("factor_a"), vector=torch.full((8,), 9.0)), beside(weights))
    along = known(ball, weights, MINE)
    assert along.names == (*(f.name for f in factors), "smile")
    assert along.along("factor_a").max() < 2  # the labelled one keeps its name
    assert along.vectors.shape == (9, 8) and along.ranges.shape == (9, 2)


def test_another_generator_s_direction_is_refused(weights: Path, tmp_path: Path) -> None:
    save(trained("old", OTHERS), beside(weights))
    save(trained(), beside(weights))
    along = known(Ball(), weights, MINE)
    assert along.names == ("smile",)
    with pytest.raises(WeightsError, match="another generator"):
        along.along("old")
    with pytest.raises(UsageError) as caught:
        along.along("smiel")
    assert "smile" in caught.value.hint
    save(trained("theirs", OTHERS), tmp_path / "given")
    with pytest.raises(WeightsError, match="another generator"):
        known(Ball(), weights, MINE, [tmp_path / "given"])


def test_a_given_folder_is_looked_into(weights: Path, tmp_path: Path) -> None:
    save(trained("extra"), tmp_path / "given")
    assert known(Ball(), weights, MINE, [tmp_path / "given"]).names == ("extra",)
    with pytest.raises(UsageError, match="no directions"):
        known(Ball(), weights, MINE, [tmp_path / "empty"])


def test_the_bundled_generator_s_are_the_user_s_own(home: Path) -> None:
    assert folder_for(BUNDLED["heads"], MINE) == user_folder(MINE)
    assert user_folder(MINE).is_relative_to(home)


def test_a_folder_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    inside_a_file = tmp_path / "file"
    inside_a_file.write_bytes(b"")
    assert folder_for(inside_a_file / "mine.pkl", MINE) == user_folder(MINE)


def test_what_is_no_direction_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="damaged"):
        load(tmp_path / "bad.safetensors")
    with pytest.raises(WeightsError, match="missing"):
        load(tmp_path / "none.safetensors")
    from safetensors.torch import save_file

    save_file({"vector": torch.ones(8)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="no direction"):
        load(tmp_path / "other.safetensors")
