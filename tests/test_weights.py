"""`hfinv weights`: what it says of a file, and the file it makes of it."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

sys.path.insert(0, str(Path(__file__).parent / "generators"))
from official_examples import thin_file  # noqa: E402

from hfinv.camera import look_at
from hfinv.cli import main
from hfinv.generators.checkpoint import load, save


def run(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return thin_file("panohead", tmp_path_factory.mktemp("files") / "easy-khair.pkl")


def test_info_tells_the_card_of_an_official_file(official: Path) -> None:
    told = json.loads(run("weights", "info", official, "--json").stdout)
    assert told["family"] == "panohead" and told["official"] is True
    assert told["sha256"] == hashlib.sha256(official.read_bytes()).hexdigest()
    assert told["arguments"]["ray_size"] == 48 and told["arguments"]["plane_depth"] == 3
    assert told["radius"] == 2.7 and told["pivot"] == [0, 0, 0] and told["framing"] == "panohead"
    text = run("weights", "info", official).stdout
    for word in ("panohead", told["sha256"], "trigrid", "128 px from 48 rays", "research only"):
        assert word in text


def test_info_tells_of_the_bundled_generator() -> None:
    assert "halves" not in run("weights", "info", "heads").stdout
    assert json.loads(run("weights", "info", "heads", "--json").stdout)["family"] == "heads"


def test_info_cannot_be_made_to_steer_the_terminal(official: Path, tmp_path: Path) -> None:
    made = load(official)
    made.card = replace(made.card, licence="free\x1b[2J\nsha256           0000")
    save(made, tmp_path / "a.safetensors")
    lines = run("weights", "info", tmp_path / "a.safetensors").stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if line.startswith("sha256")] == [lines[1]]
    assert "seen from        all around" in lines


def test_convert_gives_a_file_that_draws_the_same_and_tells_where_it_is_from(
    official: Path, tmp_path: Path
) -> None:
    target = tmp_path / "ours.safetensors"
    assert run("weights", "convert", official, target).stdout == f"{target}\n"
    before, after = load(official), load(target)
    w_plus = before.map(torch.ones(1, 64))
    images = [
        g.render(g.planes(w_plus), w_plus, look_at(0.5), samples=(6, 4)) for g in (before, after)
    ]
    assert torch.equal(images[0].image, images[1].image)
    assert torch.equal(images[0].alpha, images[1].alpha)
    assert after.card.notes["file"] == "easy-khair.pkl"
    assert after.card.notes["sha256"] == hashlib.sha256(official.read_bytes()).hexdigest()
    assert "easy-khair.pkl" in run("weights", "info", target).stdout
    half = tmp_path / "half.safetensors"
    run("weights", "convert", target, half, "--half")
    assert half.stat().st_size < 0.6 * target.stat().st_size


def test_convert_wants_a_name_that_fits(official: Path, tmp_path: Path) -> None:
    assert "safetensors" in run("weights", "convert", official, tmp_path / "a.pkl", code=2).stderr


def test_a_missing_and_a_strange_file_exit_with_4(tmp_path: Path) -> None:
    run("weights", "info", tmp_path / "nowhere.pkl", code=4)
    (tmp_path / "text.pkl").write_text("hello")
    run("weights", "info", tmp_path / "text.pkl", code=4)


def test_the_list_names_every_official_file_and_where_it_is() -> None:
    text = run("weights", "list").stdout
    for name in ("ffhqrebalanced512-128.pkl", "afhqcats512-128.pkl", "easy-khair-180", "heads"):
        assert name in text
    told = json.loads(run("weights", "list", "--json").stdout)["weights"]
    assert all(row["where"] for row in told) and len(told) >= 9
