"""The verbs about directions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from hfinv import console, options

SCORERS = ("smile", "mouth-open", "eyes-open", "yaw", "brightness")
"""Keys of `hfinv.directions.SCORERS`, which would import torch; a test holds them together."""


@click.group()
def direction() -> None:
    """Teach a generator's edits new attributes."""


@direction.command()
@click.option(
    "--generator",
    default="heads",
    show_default=True,
    metavar="NAME|FILE",
    help="Bundled generator or checkpoint that the direction is for.",
)
@click.option("--attr", "name", required=True, metavar="NAME", help="What to call it.")
@click.option("--scorer", type=click.Choice(SCORERS), help="Measure samples of the generator.")
@click.option("--positive", type=options.FILE, metavar="DIR", help="Photos that show it, instead;")
@click.option("--negative", type=options.FILE, metavar="DIR", help="and photos that do not.")
@click.option(
    "--samples",
    type=click.IntRange(min=20),
    help="Samples to score; 500000 on a GPU, as HFGI3D, 2000 on a CPU.",
)
@click.option(
    "--keep",
    type=click.IntRange(min=4),
    help="Samples to keep at either end; 10000 on a GPU, 200 on a CPU.",
)
@click.option(
    "--out",
    "-o",
    type=options.FILE,
    metavar="DIR",
    help="Folder for the direction; where `hfinv edit` looks if not given: beside the checkpoint, or"
    " ~/.local/share/hfinv for the bundled one.",
)
@options.machine
@options.seed
@options.as_json
@options.talk
def train(
    generator: str,
    name: str,
    out: Path | None,
    device: str,
    seed: int,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Train a direction: sample, score, keep the extremes, find the boundary between them."""
    from hfinv.directions import Wanted, train_direction

    photos = [asked["positive"] is not None, asked["negative"] is not None]
    if any(photos) == (asked["scorer"] is not None) or any(photos) != all(photos):
        raise click.UsageError("give either --scorer, or --positive and --negative")
    if not re.fullmatch(r"[a-z][a-z_]*(_\d+)?", name):
        raise click.UsageError(f"{name!r} cannot name a direction: use letters, such as `smile`")
    device = options.chosen(device, quiet)
    with console.Listener(quiet) as progress:
        path, trained, warnings = train_direction(
            generator, Wanted(name, **asked), out, device, seed, progress
        )
    for warning in warnings:
        console.warn(warning)
    sheet = path.with_suffix(".png")
    facts = {"attribute": trained.name, "files": [path, sheet], **trained.report}
    console.show(as_text(path, trained), facts, as_json)
    folder = ["--directions", out] if out else []
    console.suggest(["hfinv", "edit", "RUN", "--attr", f"{trained.name}+1", *folder], quiet)


def as_text(path: Path, trained: Any) -> str:
    """What a person wants to know of a trained direction."""
    report = trained.report
    strongest = list(report["correlations"].items())[:6]
    lines = [
        f"{trained.name}: {100 * report['accuracy']:.0f} % of {report['held_out']} held-out heads right",
        "correlates with " + ", ".join(f"{name} {value:+.2f}" for name, value in strongest),
        str(path),
    ]
    return "\n".join(lines if strongest else [lines[0], lines[2]])
