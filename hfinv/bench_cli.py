"""The verbs that measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hfinv import console, options


@click.command()
@click.option(
    "--recipes",
    default="w_plus,pti",
    show_default=True,
    metavar="A,B,...",
    help="Presets to compare.",
)
@options.made_in("Directory of the benchmark; one that exists goes on.")
@click.option(
    "--heads", type=click.IntRange(min=1), metavar="N", help="How many; 12, or all there are."
)
@click.option("--data", type=options.FILE, metavar="DIR", help="True heads of your own, see below.")
@click.option(
    "--photos", type=options.FILE, metavar="DIR", help="Photographs without truth, instead."
)
@click.option(
    "--size", type=click.IntRange(64, 1024), default=256, show_default=True, metavar="PX",
    help="Side of the synthetic heads' pictures.",
)  # fmt: skip
@click.option(
    "--jobs", "-j", type=click.IntRange(min=1), default=1, show_default=True,
    help="Processes that share the work.",
)  # fmt: skip
@click.option(
    "--cache",
    type=options.FILE,
    metavar="DIR",
    help="Where synthetic heads are kept; ~/.cache/hfinv.",
)
@options.assignments
@options.machine
@options.seed
@options.as_json
@options.talk
def bench(out: Path, recipes: str, as_json: bool, quiet: bool, **asked: Any) -> None:
    """Compare recipes on heads whose truth is known: tables, curves and contact sheets.

    Without --data, on synthetic heads that no training saw, made on demand. DIR of --data holds
    cameras.json: {"heads": [{"name": "head00", "views": {"input": {"image": "head00/input.png",
    "mask": "head00/input_mask.png", "depth": "head00/input_depth.npz", "label": [25 numbers]},
    "yaw+30": {...}}}]}; `depth` in the npz is camera z, 0 where nothing is; masks are 8-bit. The
    input is taken as already cropped; the other views are rendered and compared.
    """
    from hfinv import bench as benches

    names = tuple(name.strip() for name in recipes.split(",") if name.strip())
    asked["device"] = options.chosen(asked["device"], quiet)
    plan = benches.Plan(recipes=names, **asked)
    with console.Listener(quiet) as progress:
        results = benches.bench(out, plan, progress)
    files = sorted(path for path in out.iterdir() if path.is_file())
    text = (out / "table.md").read_text(encoding="utf-8").rstrip()
    console.show(text, {"out": out, "files": files, "means": results["means"]}, as_json)
    console.note(f"written: {out}", quiet)


@click.command(name="eval")
@click.argument("run", type=options.FILE)
@click.option(
    "--truth", type=options.FILE, metavar="DIR", help="Data directory with the head's truth."
)
@click.option("--head", metavar="NAME", help="Which of its heads; found by the photo if not given.")
@options.machine
@options.as_json
@options.talk
def evaluate(
    run: Path, truth: Path | None, head: str | None, device: str, as_json: bool, quiet: bool
) -> None:
    """Measure the head of RUN against its truth, or against its photo."""
    from hfinv.bench.single import evaluate as measured

    table, scores = measured(run, truth, head, options.chosen(device, quiet))
    console.show(table.rstrip(), {"run": run, **scores}, as_json)
