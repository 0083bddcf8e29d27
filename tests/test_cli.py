"""The verbs, by exit code and streams; the pipeline is a small fake that keeps a real run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner, Result
from conftest import Ball, head_of
from torch import Tensor

import hfinv
from hfinv.camera import look_at
from hfinv.cli import main
from hfinv.config import InvertConfig, to_toml
from hfinv.progress import Progress, Step, ignore
from hfinv.run import Run


@dataclass(frozen=True)
class Fitted:
    value: Tensor
    psnr: float
    warnings: tuple[str, ...]


def fit(config: Any, progress: Progress = ignore) -> Fitted:
    progress(Step("tuning", 1, 1, {"lpips": 0.25}))
    return Fitted(torch.ones(1), 28.5, ("the face is dark",))


class Pipeline:
    """Stands in for hfinv.pipeline and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def invert(
        self,
        photo: Path,
        out: Path,
        config: InvertConfig,
        device: str,
        seed: int,
        progress: Progress,
    ) -> None:
        self.asked = dict(photo=photo, out=out, config=config, device=device, seed=seed)
        parts = {"photo": "aa", "seed": seed}
        with Run.create(
            out, first_key_parts=parts, settings=to_toml(config), progress=progress
        ) as run:
            run.stage("tuning", fit, config=config.tuning)

    def open_head(self, path: Path, device: str) -> Any:
        self.asked = dict(run=path, device=device)
        Run.open(path)
        return head_of(Ball(), look_at(0.0))


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pipeline:
    fake = Pipeline()
    monkeypatch.setitem(sys.modules, "hfinv.pipeline", fake)
    monkeypatch.setattr(hfinv, "pipeline", fake, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    return fake


def run(*words: str | Path, code: int = 0) -> Result:
    """Run hfinv, and show everything it said if it did not exit with `code`."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    said = f"exit {result.exit_code}\nstdout: {result.stdout}\nstderr: {result.stderr}\n{result.exception!r}"
    assert result.exit_code == code, said
    return result


def test_a_photo_alone_is_enough(pipeline: Pipeline, tmp_path: Path) -> None:
    result = run("invert", "photos/my face.jpg")
    assert (
        result.stdout == "my face.hfinv\n" and (tmp_path / "my face.hfinv" / "run.json").is_file()
    )
    assert result.stderr.splitlines() == [
        "computing on cpu",
        "✓ tuning  " + result.stderr.splitlines()[1].split("  ")[1],
        "warning: the face is dark",
        "next: hfinv render 'my face.hfinv' --orbit 360",
    ]
    assert pipeline.asked == {
        "photo": Path("photos/my face.jpg"),
        "out": Path("my face.hfinv"),
        "config": InvertConfig(),
        "device": "cpu",
        "seed": 0,
    }


def test_everything_can_be_chosen(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("[tuning]\nsteps = 7\nlpips = 0.5\n")
    words = "--out o --preset fast --config own.toml --set tuning.lpips=0.25 --face 1 --seed 9 --device cpu"
    result = run("invert", "a.jpg", *words.split())
    config = pipeline.asked["config"]
    assert (config.tuning.steps, config.tuning.lpips, config.intake.face) == (7, 0.25, 1)
    assert config.latent.w_steps < InvertConfig().latent.w_steps  # of the preset
    assert pipeline.asked["seed"] == 9 and "computing on" not in result.stderr


def test_the_same_again_is_kept_and_says_so(pipeline: Pipeline) -> None:
    run("invert", "a.jpg")
    assert "✓ tuning  kept" in run("invert", "a.jpg").stderr


def test_json_is_one_object_on_stdout(pipeline: Pipeline, tmp_path: Path) -> None:
    facts = json.loads(run("invert", "a.jpg", "--json").stdout)
    assert facts["schema"] == 1 and facts["run"] == str(tmp_path / "a.hfinv")
    assert facts["stages"]["tuning"]["made"] is True
    assert facts["metrics"] == {"tuning": {"psnr": 28.5}}
    assert facts["warnings"] == ["the face is dark"]
    assert facts["files"]["settings.toml"] == str(tmp_path / "a.hfinv" / "settings.toml")
    assert json.loads(run("invert", "a.jpg", "--json").stdout)["stages"]["tuning"]["made"] is False


def test_quiet_leaves_results_and_warnings(pipeline: Pipeline) -> None:
    result = run("invert", "a.jpg", "--quiet")
    assert result.stdout == "a.hfinv\n" and result.stderr == "warning: the face is dark\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--device", "cuda"], "error: `cuda` was asked for, but this machine has no GPU"),
        (["--preset", "fats"], "error: there is no preset `fats`\n\nhint: did you mean `fast`?"),
        (
            ["--set", "tuning.stps=3"],
            "error: there is no setting `tuning.stps`\n\nhint: did you mean `tuning.steps`?",
        ),
        (
            ["--set", "tuning.steps=many"],
            "error: `tuning.steps` must be a whole number, not `many`",
        ),
        (["--config", "none.toml"], "error: `none.toml` cannot be read"),
        (
            ["--sed", "3"],
            "Error: No such option '--sed'. (Did you mean one of: '--preset', '--seed', '--set'?)",
        ),
        (["--out", "file"], "error: `file` is a file, not a folder"),
        (["--out", "folder"], "error: `folder` is not empty and not a run"),
    ],
)
def test_wrong_words_exit_with_2(
    pipeline: Pipeline, tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("")
    result = run("invert", "a.jpg", *words, code=2)
    assert said in result.stderr and result.stdout == ""


def test_a_wrong_verb_gets_the_nearest() -> None:
    assert "Did you mean 'invert'?" in run("invrt", code=2).stderr


def test_render_films_a_turn_into_the_run(pipeline: Pipeline, tmp_path: Path) -> None:
    run("invert", "a.jpg", "--out", "r")
    result = run("render", "r", "--fps", "2", "--seconds", "1", "--device", "cpu")
    assert result.stdout == f"{Path('r', 'renders', 'orbit.mp4')}\n"
    assert (tmp_path / "r" / "renders" / "orbit.mp4").stat().st_size > 0
    lines = result.stderr.splitlines()
    assert lines[0].startswith("✓ orbit  ") and lines[1:] == [
        "next: hfinv render r --yaw -30 --yaw 30"
    ]


def test_render_takes_stills_at_negative_angles_and_lists_them_as_json(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    run("invert", "a.jpg", "--out", "r")
    result = run(
        "render", "r", "--yaw", "-30", "--yaw", "30", "--size", "32", "--out", "o", "--json", "-q"
    )
    files = [str(tmp_path / "o" / name) for name in ("yaw-30.png", "yaw+30.png")]
    facts = json.loads(result.stdout)
    assert (
        facts == {"schema": 1, "run": str(tmp_path / "r"), "files": files} and result.stderr == ""
    )
    assert all(Path(file).is_file() for file in files)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "there is no run `nowhere`"),
        (["r", "--size", "3"], "a size of 3 pixels"),
        (["r", "--cameras", "none.json"], "`none.json` cannot be read"),
        (["r", "--yaw", "x"], "'x' is not a valid float"),
        (["r", "--out", "a.txt/b.mp4", "--yaw", "3"], "can hold one film"),
    ],
)
def test_a_wrong_render_exits_with_2(pipeline: Pipeline, words: list[str], said: str) -> None:
    run("invert", "a.jpg", "--out", "r")
    assert said in run("render", *words, code=2).stderr


def test_config_prints_toml_that_it_reads_back(pipeline: Pipeline, tmp_path: Path) -> None:
    printed = run("config", "--preset", "fast", "--set", "intake.face=2").stdout
    (tmp_path / "own.toml").write_text(printed)
    assert run("config", "--config", "own.toml").stdout == printed != run("config").stdout
    facts = json.loads(run("config", "--config", "own.toml", "--json").stdout)
    assert facts["settings"]["intake.face"] == 2


def test_config_lists_every_setting(pipeline: Pipeline) -> None:
    listed = run("config", "--help-settings").stdout
    assert "tuning.steps = 80    (a whole number)" in listed and "--preset fast" in listed


def test_train_hands_its_settings_to_the_trainer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def train_generator(
        out: Path, config: Any, data: Path | None, progress: Progress, device: str
    ) -> Path:
        asked.extend([out, config, data])
        progress(Step("heads", 1, 1))
        return out / "heads.safetensors"

    fake = SimpleNamespace(TrainConfig=InvertConfig, train_generator=train_generator)
    monkeypatch.setitem(sys.modules, "hfinv.training", fake)
    result = run("train", "generator", "--out", "t", "--data", "d", "--set", "tuning.steps=3")
    assert asked[0] == Path("t") and asked[1].tuning.steps == 3 and asked[2] == Path("d")
    assert result.stdout == f"{Path('t', 'heads.safetensors')}\n"
    assert "next: hfinv invert PHOTO --generator t/heads.safetensors" in result.stderr


@pytest.mark.parametrize(("missing", "code"), [([], 0), (["heads.safetensors"], 1)])
def test_doctor_fails_only_if_something_needed_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, missing: list[str], code: int
) -> None:
    from hfinv import doctor

    for name in set(doctor.BUNDLED.values()) - set(missing):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(doctor, "ASSETS", tmp_path)
    lines = {
        line.split()[1]: line.split()[0] for line in run("doctor", code=code).stdout.splitlines()
    }
    assert lines["python"] == lines["ffmpeg"] == "ok"
    assert lines["generator"] == ("MISSING" if missing else "ok")
    facts = json.loads(run("doctor", "--json", code=code).stdout)
    assert [f["name"] for f in facts["findings"] if f["needed"] and not f["good"]] == [
        "generator"
    ] * code


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_prints_the_shells_script(shell: str) -> None:
    assert "_HFINV_COMPLETE" in run("completion", shell).stdout


def completed(words: str) -> list[str]:
    """What zsh is offered after these words, asked as zsh asks."""
    environment = {**os.environ, "_HFINV_COMPLETE": "zsh_complete", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split()) - (not words.endswith(" ")))
    asked = [sys.executable, "-c", "from hfinv.cli import main; main(prog_name='hfinv')"]
    answer = subprocess.run(
        asked, env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    return answer.stdout.split("\n")[1::3]


def test_verbs_presets_and_devices_are_completed() -> None:
    assert completed("hfinv inv") == ["invert"]
    assert completed("hfinv invert --preset fa") == ["fast"]
    assert completed("hfinv invert --device c") == ["cpu", "cuda"]


def test_help_lists_the_exit_codes_and_version_is_one_line() -> None:
    said = run("--help").stdout
    assert all(f"\n    {code} " in said for code in (0, 1, 2, 3, 4, 5, 130))
    assert run("--version").stdout == f"hfinv {hfinv.__version__}\n"


@pytest.mark.parametrize(
    "verb", [main, *main.commands.values(), *main.commands["train"].commands.values()]
)
def test_every_verb_and_option_has_a_sentence_of_help(verb: click.Command) -> None:
    assert verb.help and verb.help.split("\n")[0].endswith(".")
    for option in verb.params:
        if isinstance(option, click.Option):
            assert option.help and option.help.endswith("."), f"{verb.name} {option.name}"


def test_python_m_hfinv_is_hfinv() -> None:
    command = [sys.executable, "-m", "hfinv", "--version"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert answer.returncode == 0 and answer.stdout.startswith("hfinv ")
