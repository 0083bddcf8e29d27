"""Options that several verbs share, each written once, and the types of what is typed."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from hfinv import console
from hfinv.presets import PRESETS

Command = Callable[..., Any]


class Assignment(click.ParamType):
    """A setting and its value, such as `latent.w_steps=60`."""

    name = "name=value"
    form = re.compile(r"\s*[A-Za-z_][\w.]*\s*=.*", re.DOTALL)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not self.form.fullmatch(value):
            self.fail(f"expected a form such as latent.w_steps=60, got {value!r}", param, ctx)
        return value


class Attributes(click.ParamType):
    """Edits such as `smile+0.8` or `smile+0.8,age-0.5`, as pairs of name and amount."""

    name = "name+amount"
    form = re.compile(r"(?P<name>[a-z][a-z_]*(?:_\d+)?)(?P<amount>[+-](?:\d+\.?\d*|\.\d+))")

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[tuple[str, float]]:
        found = [self.form.fullmatch(part.strip()) for part in value.split(",")]
        if not all(found):
            self.fail(f"expected a form such as smile+0.8 or age-0.3, got {value!r}", param, ctx)
        return [(match["name"], float(match["amount"])) for match in found if match]


class Device(click.ParamType):
    """Where to compute."""

    name = "device"
    form = re.compile(r"auto|cpu|cuda(:\d+)?")

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not self.form.fullmatch(value):
            self.fail(f"expected auto, cpu, cuda or cuda:0, got {value!r}", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [
            CompletionItem(name) for name in ("auto", "cpu", "cuda") if name.startswith(incomplete)
        ]


class Preset(click.ParamType):
    """A name that `load_settings` checks, for it can tell the nearest."""

    name = "preset"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [
            CompletionItem(name, help=sentence)
            for name, (sentence, _) in PRESETS.items()
            if name.startswith(incomplete)
        ]


FILE = click.Path(path_type=Path)
"""Any path: whoever opens it knows best what to say of it."""


def assignments(verb: Command) -> Command:
    """`--config` and `--set`, as `config_file` and `assignments`."""
    return _with(
        verb,
        click.option(
            "--config",
            "config_file",
            type=FILE,
            metavar="FILE",
            help="Settings in TOML; those of a run are in its settings.toml.",
        ),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            type=Assignment(),
            help="Change one setting; may be repeated.",
        ),
    )


def made_in(help: str) -> Callable[[Command], Command]:
    """`--out`, of a verb that cannot do without a directory."""
    return click.option("--out", "-o", required=True, type=FILE, help=help)


def settings(verb: Command) -> Command:
    """`--preset` beside `assignments`."""
    names = ", ".join(PRESETS)
    help = f"Set of settings to start from: {names}."
    return _with(
        verb,
        click.option("--preset", type=Preset(), default="default", show_default=True, help=help),
        assignments,
    )


SHORT = {
    "face": "intake.face",
    "camera": "intake.camera",
    "camera_key": "intake.camera_key",
    "generator": "generator",
    "background": "background",
    "resolution": "resolution",
    "max_memory": "max_memory",
}
"""Options that are shorter names of settings."""


def photo(verb: Command) -> Command:
    """What a photo may need: shorter names of some settings, which join `assignments`."""

    @functools.wraps(verb)
    def joined(*, assignments: tuple[str, ...], **others: Any) -> Any:
        given = {setting: others.pop(option) for option, setting in SHORT.items()}
        more = tuple(f"{setting}={value}" for setting, value in given.items() if value is not None)
        return verb(assignments=assignments + more, **others)

    return _with(
        joined,
        click.option(
            "--face",
            type=click.IntRange(min=0),
            metavar="N",
            help="Which face of several, from 0, left to right; the largest if not given.",
        ),
        click.option(
            "--camera",
            metavar="FILE",
            help="The photo's camera as an EG3D label; the photo is then taken as already cropped.",
        ),
        click.option(
            "--camera-key", metavar="KEY", help="The photo's name in a camera file of several."
        ),
        click.option(
            "--generator",
            metavar="NAME|FILE",
            help="Bundled generator or checkpoint to invert into.",
        ),
        click.option(
            "--background",
            type=click.Choice(["keep", "matte"]),
            help="Fit the photo's background too, or only the person; kept where the generator draws one.",
        ),
        click.option(
            "--resolution",
            type=click.Choice(["full", "low"]),
            help="Fit the final picture, or the quicker small one.",
        ),
        click.option(
            "--max-memory",
            type=click.FloatRange(min=0.1),
            metavar="GB",
            help="Most memory that the rays of a step may take.",
        ),
    )


def chosen(device: str, quiet: bool) -> str:
    """The device of that name, and a word about it if it was left to us; what the CPU frees is kept for its next step."""
    from hfinv.device import choose
    from hfinv.memory import keep_freed

    keep_freed()
    found = str(choose(device))
    if device == "auto":
        console.note(f"computing on {found}", quiet)
    return found


def machine(verb: Command) -> Command:
    """`--device`."""
    help = "Where to compute: auto, cpu, cuda or cuda:n."
    return click.option("--device", type=Device(), default="auto", show_default=True, help=help)(
        verb
    )


def seed(verb: Command) -> Command:
    """`--seed`."""
    help = "Of everything drawn at random; the same seed gives the same bytes."
    return click.option(
        "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help=help
    )(verb)


def talk(verb: Command) -> Command:
    """`--quiet` and `--debug`; the second is for whoever prints failures."""
    return _with(
        verb,
        click.option("--quiet", "-q", is_flag=True, help="Only results, warnings and errors."),
        click.option(
            "--debug",
            is_flag=True,
            expose_value=False,
            callback=_remember,
            help="Show where in the program an error arose.",
        ),
    )


def as_json(verb: Command) -> Command:
    """`--json`, as `as_json`."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        callback=_remember,
        help="Print the result as one JSON object.",
    )(verb)


def _remember(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    """Keep a flag for the whole command line: `ctx.meta` is shared by a verb and its group."""
    ctx.meta[f"hfinv.{param.name}"] = value
    return value


def _with(verb: Command, *decorators: Callable[[Command], Command]) -> Command:
    for decorator in reversed(decorators):
        verb = decorator(verb)
    return verb
