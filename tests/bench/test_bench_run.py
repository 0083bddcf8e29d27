"""The whole benchmark with a small generator: whole, resumed after a kill, and in spite of failures."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bench_examples import write_balls
from click.testing import CliRunner
from conftest import TOY

from hfinv.bench import Plan, bench
from hfinv.bench.synthetic import synthetic_heads
from hfinv.bench.truth import look
from hfinv.cli import main
from hfinv.errors import BatchError, UsageError
from hfinv.generators.checkpoint import save
from hfinv.image import read
from hfinv.training import TrainConfig, begin

FACES = Path(__file__).parents[2] / "examples" / "faces"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Settings: a small untrained generator and hardly any steps."""
    generator = begin(TrainConfig(network=TOY)).generator
    generator.mapping.measure(64)
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    save(generator, path)
    return (
        f"generator={path}", "latent.backbone=alex", "latent.w_steps=2", "latent.w_plus_steps=1",
        "tuning.steps=2", "tuning.keep_views=0", "intake.matte=false", "intake.size=64",
    )  # fmt: skip


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("balls")
    write_balls(folder, heads=3)
    return folder


def words(quick: tuple[str, ...], balls: Path, out: Path, *more: str) -> list[str]:
    settings = [word for setting in quick for word in ("--set", setting)]
    return ["bench", "--data", str(balls), "--out", str(out), "--device", "cpu", *settings, *more]


@pytest.fixture(scope="module")
def whole(
    quick: tuple[str, ...], balls: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A finished benchmark of two recipes on two balls, by the command line; and what it said."""
    out = tmp_path_factory.mktemp("bench") / "out"
    result = CliRunner().invoke(
        main, words(quick, balls, out, "--recipes", "w,pti", "--heads", "2")
    )
    assert result.exit_code == 0, result.stderr
    return out, result.stdout


def test_everything_is_there_for_people_and_programs(whole: tuple[Path, str]) -> None:
    out, said = whole
    assert {p.name for p in out.iterdir()} >= {
        "table.md", "table.csv", "table.tex", "curves.png", "results.json", "sheets", "runs",
    }  # fmt: skip
    assert said == (out / "table.md").read_text()
    assert "128 numbers, Euclidean distance" in said and "torch" in said
    assert {p.name for p in (out / "sheets").iterdir()} == {"ball0.png", "ball1.png"}
    # three views wide; the truth and two recipes high
    height, width = read(out / "sheets" / "ball0.png").shape[:2]
    assert width == 3 * 160 and height == 3 * 176


def test_the_results_hold_seeds_versions_hardware_seconds_and_memory(
    whole: tuple[Path, str],
) -> None:
    results = json.loads((whole[0] / "results.json").read_text())
    assert results["failures"] == [] and results["seeds"]["inversions"] == 0
    assert results["libraries"]["torch"] and results["hardware"]["cores"] >= 1
    assert "w_steps = 2" in results["settings"]["pti"]
    score = results["scores"]["pti"]["ball1"]
    assert set(score["views"]) == {"input", "yaw+30", "pitch-10"}
    assert score["views"]["yaw+30"]["bin"] == "yaw 30" and score["views"]["input"]["psnr"] > 0
    assert score["run"]["camera_deg"] == pytest.approx(0, abs=1e-2)  # the camera was given
    for stage in ("intake", "latent", "tuning"):
        assert score["stages"][stage]["seconds"] > 0 and score["stages"][stage]["peak_mb"] > 50


def test_the_table_is_the_mean_of_the_scores(whole: tuple[Path, str]) -> None:
    results = json.loads((whole[0] / "results.json").read_text())
    rows = csv.DictReader((whole[0] / "table.csv").open())
    found = {(r["view"], r["recipe"], r["metric"]): float(r["mean"]) for r in rows}
    scores = results["scores"]["w"]
    wanted = np.mean([scores[head]["views"]["yaw+30"]["iou"] for head in ("ball0", "ball1")])
    assert found["yaw 30", "w", "iou"] == pytest.approx(wanted)


def test_the_same_command_keeps_every_head_and_one_more_head_makes_only_that_one(
    whole: tuple[Path, str], quick: tuple[str, ...], balls: Path
) -> None:
    out, said = whole
    files = sorted(out.rglob("scores.json")) + sorted(out.rglob("tensors.safetensors"))
    before = {file: file.stat().st_mtime_ns for file in files}
    plan = Plan(("w",), heads=3, data=balls, assignments=quick, device="cpu")
    results = bench(out, plan)
    assert {file: file.stat().st_mtime_ns for file in files} == before
    assert set(results["scores"]["w"]) == {"ball0", "ball1", "ball2"}


def test_a_recipe_takes_over_the_stages_that_it_has_in_common_with_an_earlier_one(
    quick: tuple[str, ...], balls: Path, tmp_path: Path
) -> None:
    recipes = ("w", "w+tuning.lpips=0.5")
    results = bench(tmp_path, Plan(recipes, heads=1, data=balls, assignments=quick, device="cpu"))
    one, other = (results["scores"][recipe]["ball0"]["stages"] for recipe in recipes)
    made = [
        json.loads((tmp_path / "runs" / recipe / "ball0.hfinv" / "run.json").read_text())["stages"]
        for recipe in recipes
    ]
    assert one["latent"] == other["latent"] and made[0]["latent"] == made[1]["latent"]
    assert made[0]["tuning"]["key"] != made[1]["tuning"]["key"]


def test_a_single_run_is_measured_against_the_head_that_its_photo_belongs_to(
    whole: tuple[Path, str], balls: Path
) -> None:
    run = whole[0] / "runs" / "pti" / "ball1.hfinv"
    kept = json.loads((run / "eval" / "scores.json").read_text())
    result = CliRunner().invoke(main, ["eval", str(run), "--truth", str(balls), "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["views"] == kept["views"]
    assert (run / "eval" / "sheet.png").is_file() and (run / "eval" / "table.md").is_file()
    lost = CliRunner().invoke(main, ["eval", str(run), "--truth", str(balls), "--head", "nobody"])
    assert lost.exit_code == 2 and "no head `nobody`" in lost.stderr


def test_after_a_kill_what_was_finished_is_kept_and_nothing_holds_the_rest(
    quick: tuple[str, ...], balls: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = words(quick, balls, out, "--recipes", "w", "--jobs", "2")
    process = subprocess.Popen([sys.executable, "-m", "hfinv", *command], stderr=subprocess.PIPE)
    end = time.monotonic() + 300
    while not list(out.rglob("scores.json")) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    first = {file: file.stat().st_mtime_ns for file in out.rglob("scores.json")}
    assert first, "nothing was finished before the kill"
    plan = Plan(("w",), data=balls, assignments=quick, device="cpu")
    results = bench(out, plan)
    assert len(results["scores"]["w"]) == 3 and not results["failures"]
    assert {file: file.stat().st_mtime_ns for file in first} == first


def test_a_photo_without_a_face_fails_alone(quick: tuple[str, ...], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(FACES / "f1.jpg", photos)
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    from hfinv.image import save_png

    save_png(photos / "noise.png", noise)
    with pytest.raises(BatchError, match="1 of 2 failed") as failure:
        bench(tmp_path / "out", Plan(("w",), photos=photos, assignments=quick, device="cpu"))
    assert failure.value.exit_code == 5
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [f["head"] for f in results["failures"]] == ["noise.png"]
    views = results["scores"]["w"]["f1.jpg"]["views"]
    assert set(views) == {"input", "yaw-30", "yaw+30"} and views["input"]["lpips_vgg"] > 0


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (Plan(()), "no recipe was named"),
        (Plan(("nope",)), "there is no preset `nope`"),
        (Plan(("w", "w")), "named twice"),
        (Plan(("w",), data=Path("a"), photos=Path("b")), "both `--data` and `--photos`"),
        (Plan(("w",), photos=Path("nowhere")), "there is no folder `nowhere`"),
        (Plan(("w",), data=Path("nowhere")), "there is no `nowhere/cameras.json`"),
    ],
)
def test_an_impossible_plan_is_refused_before_anything_is_done(
    plan: Plan, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=sentence):
        bench(tmp_path / "out", plan)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not empty and no benchmark"):
        bench(tmp_path, Plan(("w",)))


def test_three_synthetic_heads_are_made_once_and_measured(
    quick: tuple[str, ...], tmp_path: Path
) -> None:
    heads = synthetic_heads(3, 128, tmp_path / "cache")
    assert len({head.fingerprint() for head in heads}) == 3
    seen = look(heads[0].input)
    assert seen.image.shape[-1] == 128 and 0.2 < seen.foreground.mean() < 0.9
    assert 2.0 < seen.distance[seen.distance > 0].min() < 2.7
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.png")}
    plan = Plan(
        ("w",), heads=3, size=128, cache=tmp_path / "cache", assignments=quick, device="cpu"
    )
    results = bench(tmp_path / "out", plan)
    assert {file: file.stat().st_mtime_ns for file in made} == made
    assert len(results["scores"]["w"]) == 3
    views = results["scores"]["w"]["head00"]["views"]
    assert len(views) == 13 and views["input"]["identity"] is not None
    assert (tmp_path / "out" / "curves.png").is_file()
