from __future__ import annotations

import ast

import click
import pytest
from click.testing import CliRunner, Result

from hfinv import options


@click.command()
@options.settings
@options.photo
@options.machine
@options.seed
@options.as_json
@options.talk
@click.pass_context
def verb(ctx: click.Context, **given: object) -> None:
    """Say what was given."""
    click.echo(repr({**given, **ctx.meta}))


def run(*words: str) -> Result:
    return CliRunner().invoke(verb, words)


def given(*words: str) -> dict:
    result = run(*words)
    assert result.exit_code == 0, result.stderr
    return ast.literal_eval(result.stdout)


def test_nothing_given_is_every_default() -> None:
    assert given() == {
        "preset": "default",
        "config_file": None,
        "assignments": (),
        "device": "auto",
        "seed": 0,
        "as_json": False,
        "quiet": False,
        "hfinv.as_json": False,
        "hfinv.debug": False,
    }


def test_assignments_keep_their_order_and_shorter_names_join_them() -> None:
    words = ["--face", "1", "--set", "latent.w_steps=3", "--generator", "x.pkl", "--set", "a=b=c d"]
    assert given(*words)["assignments"] == (
        "latent.w_steps=3",
        "a=b=c d",
        "intake.face=1",
        "generator=x.pkl",
    )


def test_a_camera_and_its_key_are_settings_of_the_intake() -> None:
    words = ["--camera", "dataset.json", "--camera-key", "00/1.png"]
    assert given(*words)["assignments"] == (
        "intake.camera=dataset.json",
        "intake.camera_key=00/1.png",
    )


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1"])
def test_devices_that_may_exist_are_let_through(device: str) -> None:
    assert given("--device", device)["device"] == device


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--device", "gpu"],
            "Invalid value for '--device': expected auto, cpu, cuda or cuda:0, got 'gpu'",
        ),
        (["--device", "cuda:x"], "expected auto, cpu, cuda or cuda:0, got 'cuda:x'"),
        (
            ["--set", "smile"],
            "Invalid value for '--set': expected a form such as latent.w_steps=60, got 'smile'",
        ),
        (["--set", "=3"], "expected a form such as latent.w_steps=60, got '=3'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--face", "-1"], "Invalid value for '--face'"),
    ],
)
def test_a_wrong_value_exits_with_2_and_names_the_option(words: list[str], sentence: str) -> None:
    result = run(*words)
    assert result.exit_code == 2 and sentence in result.stderr and result.stdout == ""


def test_help_names_the_presets() -> None:
    assert "fast, default, best" in " ".join(run("--help").stdout.split())
