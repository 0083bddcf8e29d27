"""The command line: one short function a verb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hfinv import (
    __version__,
    bench_cli,
    console,
    directions_cli,
    generators_cli,
    options,
    training_cli,
)
from hfinv.verbs import EXIT_CODES, Verbs


@click.group(cls=Verbs, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hfinv", message="%(prog)s %(version)s")
def main() -> None:
    """Turn one photo of a face into a 3D head that can be seen from all around."""


@main.command()
@click.argument("photo", type=options.FILE)
@click.option(
    "--out",
    "-o",
    type=options.FILE,
    help="Run directory; NAME.hfinv here if not given. One that exists goes on.",
)
@options.settings
@options.photo
@options.machine
@options.seed
@options.as_json
@options.talk
def invert(
    photo: Path,
    out: Path | None,
    preset: str,
    config_file: Path | None,
    assignments: tuple[str, ...],
    device: str,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Invert PHOTO into a 3D head, kept in a run directory."""
    from hfinv import config, pipeline
    from hfinv.run import Run

    settings = config.load_settings(preset, config_file, assignments)
    out = out or Path(f"{photo.stem}.hfinv")
    device = options.chosen(device, quiet)
    generators_cli.warn_of_cost(settings, device)
    with console.Listener(quiet) as progress:
        pipeline.invert(photo, out, settings, device, seed, progress)
    summary = Run.open(out).summary(progress.stages)
    for warning in summary["warnings"]:
        console.warn(warning)
    console.show(str(out), summary, as_json)
    console.suggest(["hfinv", "render", out, "--orbit", "360"], quiet)


@main.command()
@click.argument("run", type=options.FILE)
@click.option(
    "--orbit",
    type=float,
    metavar="DEG",
    help="Film a turntable of so many degrees; 360 if nothing else is asked.",
)
@click.option(
    "--swing", type=float, metavar="DEG", help="Film a swing of so many degrees to either side."
)
@click.option(
    "--yaw",
    type=float,
    multiple=True,
    metavar="DEG",
    help="A still from so far to the right; may be repeated.",
)
@click.option("--pitch", type=float, metavar="DEG", help="How far from above, for all of them.")
@click.option(
    "--cameras",
    type=options.FILE,
    metavar="FILE",
    help="Stills from the cameras of a JSON object: name -> EG3D label.",
)
@click.option(
    "--size", type=int, metavar="PX", help="Side of the pictures; the generator's own if not given."
)
@click.option("--fps", type=int, help="Frames a second of a video.")
@click.option("--seconds", type=float, help="Length of a video.")
@click.option("--depth", is_flag=True, help="Also write the distances along the rays, as npz.")
@click.option(
    "--background",
    type=click.Choice(["keep", "matte"]),
    default="matte",
    show_default=True,
    help="What the generator draws behind the head, or white where it can.",
)
@click.option(
    "--out", "-o", type=options.FILE, help="Folder, or file if it is one; RUN/renders if not given."
)
@options.machine
@options.as_json
@options.talk
def render(
    run: Path, out: Path | None, device: str, as_json: bool, quiet: bool, **asked: Any
) -> None:
    """Film or photograph the head of RUN."""
    from hfinv import pipeline, shots

    wanted = shots.Shots(**asked)
    head = pipeline.open_head(run, options.chosen(device, quiet))
    for warning in shots.guesses(wanted, head.generator.card):
        console.warn(warning)
    with console.Listener(quiet) as progress:
        files = shots.take(head, wanted, out or run / "renders", progress)
    console.show("\n".join(map(str, files)), {"run": run, "files": files}, as_json)
    console.suggest(["hfinv", "render", run, *shots.other(wanted)], quiet)


@main.command()
@click.argument("run", type=options.FILE)
@click.option("--out", "-o", type=options.FILE, help="The file; RUN/report.html if not given.")
@options.machine
@options.as_json
@options.talk
def report(run: Path, out: Path | None, device: str, as_json: bool, quiet: bool) -> None:
    """Write one page about RUN: what went in, what came out, and what of it is guessed."""
    from hfinv import pipeline, report as reports

    found = reports.open_run(run)
    page = reports.current(found, out=out)
    if page is None:
        head = pipeline.open_head(run, options.chosen(device, quiet))
        with console.Listener(quiet) as progress:
            page = reports.write(found, head, out=out, progress=progress)
    console.show(str(page), {"run": run, "files": [page]}, as_json)
    console.suggest(["hfinv", "view", run], quiet)


@main.command()
@click.argument("run", type=options.FILE)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; 0.0.0.0 lets other machines look.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True,
    help="Port to listen at, or the next one that is free.",
)  # fmt: skip
@options.machine
@options.talk
def view(run: Path, host: str, port: int, device: str, quiet: bool) -> None:
    """Turn the head of RUN in the browser, with a slider for each edit."""
    from hfinv import pipeline, viewer

    viewer.check_installed()
    head = pipeline.open_head(run, options.chosen(device, quiet))
    with viewer.Viewer(head, host, port) as page:
        if host != viewer.LOCAL:
            console.warn(
                f"everybody who reaches this machine at {host} can see and change this head"
            )
        console.show(page.address, {}, as_json=False)
        console.note("open it in a browser; Ctrl+C here ends it", quiet)
        try:
            page.wait()
        except KeyboardInterrupt:
            console.note("closed", quiet)


@main.command()
@click.argument("run", type=options.FILE, required=False)
@click.option(
    "--attr",
    "attributes",
    type=options.Attributes(),
    multiple=True,
    help="What to change, by how many standard deviations: smile+0.8,age-0.5; may be repeated.",
)
@click.option(
    "--texture",
    type=options.FILE,
    metavar="PICTURE",
    help="RUN/intake/crop.png after you painted on it.",
)
@click.option(
    "--directions",
    "folders",
    type=options.FILE,
    multiple=True,
    metavar="DIR",
    help="Folder of directions that `hfinv direction train --out DIR` wrote; may be repeated.",
)
@click.option(
    "--list",
    "listed",
    is_flag=True,
    help="List what can be changed; of the bundled generator without RUN.",
)
@click.option(
    "--out", "-o", "name", metavar="NAME", help="Name of the edit; what it changes if not given."
)
@options.machine
@options.as_json
@options.talk
def edit(
    run: Path | None,
    attributes: tuple[list[tuple[str, float]], ...],
    texture: Path | None,
    folders: tuple[Path, ...],
    listed: bool,
    name: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
) -> None:
    """Change or paint the head of RUN; the edit is a folder that `render` and `edit` take like a run."""
    from hfinv import editing, pipeline
    from hfinv.generators.trained import known

    if listed:
        generator, weights, digest = pipeline.generator_of(run)
        along = known(generator, weights, digest, folders)
        lines, facts = editing.listing(along, generator.card.name)
        console.show("\n".join(lines), facts, as_json)
        return
    if run is None or not (attributes or texture):
        raise click.UsageError(
            "name a RUN and what to change, such as --attr smile+0.8 or --texture painted.png"
        )
    amounts = editing.joined(pair for pairs in attributes for pair in pairs)
    head = pipeline.open_head(run, options.chosen(device, quiet))
    along = editing.known(head, folders) if amounts else None
    told = editing.warnings(along, amounts) if along else []
    paint, more = editing.read_paint(texture, head) if texture else (None, [])
    for sentence in told + more:
        console.warn(sentence)
    with console.Listener(quiet) as progress:
        change = editing.edit(head, amounts, paint, along, progress=progress)
    folder = editing.keep(head, change, name or editing.title(amounts, texture))
    facts = {"run": run, "edit": folder, "amounts": amounts, "files": sorted(folder.iterdir())}
    console.show(str(folder), facts, as_json)
    console.suggest(["hfinv", "render", folder, "--orbit", "360"], quiet)


@main.command()
@click.argument("run", type=options.FILE)
@click.argument("file", type=options.FILE)
@click.option("--grid", type=int, metavar="N", help="Points of the density grid along a side; 256.")
@click.option(
    "--faces", type=int, metavar="N", help="About how many triangles; 30000. 0 keeps all."
)
@click.option("--texture", type=int, metavar="PX", help="Side of the texture, in pixels; 2048.")
@click.option("--vertex-colours", is_flag=True, help="Colours at the vertices, and no texture.")
@click.option("--lit", is_flag=True, help="A material that takes the viewer's light.")
@click.option("--watertight", is_flag=True, help="Close the surface below the neck, to print it.")
@click.option(
    "--for",
    "cameras_for",
    type=click.Choice(["blender", "nerfstudio", "eg3d"]),
    help="Also write the cameras, as this program reads them.",
)
@options.machine
@options.as_json
@options.talk
def export(
    run: Path,
    file: Path,
    cameras_for: str | None,
    device: str,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Write the head of RUN as a mesh: FILE ends in .glb, .obj, .ply or .stl.

    y is up, the face looks along +z, and lengths are metres, 0.4 to a unit of the generator's world.
    """
    from hfinv import export as exports
    from hfinv import pipeline

    config = exports.asked(**asked)
    exports.files.writer(file)
    head = pipeline.open_head(run, options.chosen(device, quiet))
    with console.Listener(quiet) as progress:
        files = exports.export(head, file, config, cameras_for, progress)
    console.show("\n".join(map(str, files)), {"run": run, "files": files}, as_json)
    console.note("open it in Blender, or in a browser: docs/export.md says how", quiet)


@main.command()
@options.settings
@click.option(
    "--help-settings", is_flag=True, help="List every preset and setting with its meaning."
)
@options.as_json
@options.talk
def config(
    preset: str,
    config_file: Path | None,
    assignments: tuple[str, ...],
    help_settings: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Print settings as TOML, to start a file of one's own from."""
    from hfinv import config as configs
    from hfinv.settings import every

    settings = configs.load_settings(preset, config_file, assignments)
    text = configs.settings_help() if help_settings else configs.to_toml(settings).rstrip()
    console.show(text, {"settings": {s.path: s.value for s in every(settings)}}, as_json)
    console.suggest(["hfinv", "invert", "PHOTO", "--config", "FILE.toml"], quiet)


@main.command()
@options.as_json
@options.talk
def doctor(as_json: bool, quiet: bool) -> None:
    """Say whether everything is there that hfinv needs."""
    from dataclasses import asdict

    from hfinv import doctor as doctors

    findings = list(doctors.examine())
    console.show(doctors.as_text(findings), {"findings": [asdict(f) for f in findings]}, as_json)
    click.get_current_context().meta["hfinv.as_json"] = False  # the one object is out
    doctors.verdict(findings)
    console.suggest(["hfinv", "invert", "PHOTO"], quiet)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes hfinv's words in SHELL.

    For bash, put `eval "$(hfinv completion bash)"` into ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    click.echo(get_completion_class(shell)(main, {}, "hfinv", "_HFINV_COMPLETE").source())


for verb in (
    bench_cli.bench,
    bench_cli.evaluate,
    directions_cli.direction,
    generators_cli.sample,
    generators_cli.weights,
    training_cli.train,
):
    main.add_command(verb)
