"""The verbs that make the networks that come with hfinv."""

from __future__ import annotations

from pathlib import Path

import click

from hfinv import console, options


@click.group()
def train() -> None:
    """Make the networks that come with hfinv."""


@train.command()
@options.made_in("Directory of checkpoints; one that exists goes on.")
@click.option(
    "--data",
    type=options.FILE,
    help="Directory of the synthetic heads, OUT/heads if not given; or of pictures with EG3D's dataset.json.",
)
@options.machine
@options.assignments
@options.as_json
@options.talk
def generator(
    out: Path,
    data: Path | None,
    device: str,
    config_file: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Train the bundled generator on synthetic heads, or a prior of one's own on posed pictures."""
    from hfinv.settings import adjusted
    from hfinv.training import TrainConfig, train_generator

    settings = adjusted(TrainConfig(), config_file, assignments)
    with console.Listener(quiet) as progress:
        weights = train_generator(out, settings, data, progress, options.chosen(device, quiet))
    console.show(str(weights), {"files": [weights]}, as_json)
    console.suggest(["hfinv", "invert", "PHOTO", "--generator", weights], quiet)


@train.command()
@options.made_in("Directory of drawn heads and checkpoints; one that exists goes on.")
@click.option(
    "--data",
    type=options.FILE,
    help="Directory of the synthetic heads that `hfinv train generator` made; OUT/heads if not given.",
)
@options.assignments
@options.as_json
@options.talk
def encoder(
    out: Path,
    data: Path | None,
    config_file: Path | None,
    assignments: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Train the encoder whose guess an inversion starts from."""
    from hfinv.settings import adjusted
    from hfinv.training.encoder import EncoderConfig, train_encoder

    settings = adjusted(EncoderConfig(), config_file, assignments)
    with console.Listener(quiet) as progress:
        weights = train_encoder(out, settings, data=data, progress=progress)
    console.show(str(weights), {"files": [weights]}, as_json)
