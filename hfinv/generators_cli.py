"""The verbs about generators and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hfinv import console, options


@click.command()
@click.option(
    "--generator",
    default="heads",
    show_default=True,
    metavar="NAME|FILE",
    help="Bundled generator or checkpoint to sample.",
)
@click.option(
    "--seeds", default="0-5", show_default=True, metavar="LIST", help="Which heads, as in 0-5,9."
)
@click.option(
    "--trunc",
    type=click.FloatRange(-2, 2),
    default=1.0,
    show_default=True,
    help="1 keeps each sample, 0 gives the mean head.",
)
@click.option("--orbit", type=float, metavar="DEG", help="Film a turntable of each instead.")
@click.option(
    "--yaw",
    type=float,
    multiple=True,
    metavar="DEG",
    help="Stills from so far to the right, side by side; may be repeated.",
)
@click.option("--size", type=int, metavar="PX", help="Side of the pictures.")
@click.option(
    "--background",
    type=click.Choice(["keep", "matte"]),
    default="keep",
    show_default=True,
    help="What the generator draws behind the head, or white.",
)
@click.option(
    "--half",
    is_flag=True,
    help="Super-resolution in half precision on a GPU, as the official code.",
)
@click.option(
    "--max-memory",
    type=click.FloatRange(min=0.1),
    metavar="GB",
    help="Most memory that the rays of a picture may take.",
)
@click.option(
    "--out", "-o", type=options.FILE, default="samples", show_default=True, help="Folder."
)
@options.machine
@options.as_json
@options.talk
def sample(
    generator: str, seeds: str, out: Path, device: str, as_json: bool, quiet: bool, **asked: Any
) -> None:
    """Draw heads that nobody has, from a generator's prior."""
    from hfinv import samples

    wanted = samples.parse_seeds(seeds)
    device = options.chosen(device, quiet)
    with console.Listener(quiet) as progress:
        made = samples.opened(generator, device, asked.pop("half"), asked.pop("max_memory"))
        for warning in samples.warnings(made, wanted, device, asked["orbit"], asked["yaw"]):
            console.warn(warning)
        files = samples.save_samples(made, wanted, out, progress=progress, **asked)
    console.show("\n".join(map(str, files)), {"files": files}, as_json)
    console.suggest(["hfinv", "invert", "PHOTO", "--generator", generator], quiet)


@click.group()
def weights() -> None:
    """Look at weights, and convert them."""


@weights.command()
@click.argument("file", metavar="NAME|FILE")
@options.as_json
@options.talk
def info(file: str, as_json: bool, quiet: bool) -> None:
    """Say what FILE holds; nothing in it is run."""
    from hfinv import weights as files

    told = files.facts(file)
    console.show(files.as_text(told), told, as_json)
    console.suggest(["hfinv", "sample", "--generator", file], quiet)


@weights.command()
@click.argument("file", metavar="NAME|FILE")
@click.argument("out", type=options.FILE)
@click.option("--half", is_flag=True, help="Store half precision, at half the size.")
@options.as_json
@options.talk
def convert(file: str, out: Path, half: bool, as_json: bool, quiet: bool) -> None:
    """Write the generator of FILE as OUT, a safetensors file with a card."""
    from hfinv import weights as files

    files.convert(file, out, half)
    console.show(str(out), {"files": [out]}, as_json)
    console.suggest(["hfinv", "weights", "info", out], quiet)


@weights.command(name="list")
@options.as_json
@options.talk
def list_weights(as_json: bool, quiet: bool) -> None:
    """List the generators that come with hfinv, and the official files that fit."""
    from hfinv import weights as files

    console.show(files.known_text(), {"weights": files.known()}, as_json)
    console.suggest(["hfinv", "weights", "info", "FILE"], quiet)


def warn_of_cost(settings: Any, device: str) -> None:
    """Tell how long an official generator will take on a processor, before it begins."""
    if device != "cpu" or settings.generator == "heads":
        return
    from hfinv import cost
    from hfinv.generators import locate
    from hfinv.generators.checkpoint import read_card

    warning = cost.warning(read_card(locate(settings.generator)), settings)
    if warning:
        console.warn(warning)
