"""What a benchmark leaves: results.json, tables, curves and contact sheets."""

from __future__ import annotations

import math
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hfinv import __version__, storage, versions
from hfinv.bench.curves import draw_curves
from hfinv.bench.gains import draw_gains, gains
from hfinv.bench.jobs import Done
from hfinv.bench.sheets import draw_sheet
from hfinv.bench.summary import SEED as BOOTSTRAP_SEED
from hfinv.bench.summary import Cell, beside_first, summarise
from hfinv.bench.synthetic import HAIR_SEED
from hfinv.bench.synthetic import SEED as HEAD_SEED
from hfinv.bench.table import as_csv, as_markdown, as_tex, interval_note
from hfinv.config import load_settings, to_toml
from hfinv.identity import EMBEDDER
from hfinv.image import written_aside

if TYPE_CHECKING:
    from hfinv.bench import Plan

RESULTS, RUNS_FOLDER, INPUTS_FOLDER, SHEETS_FOLDER = "results.json", "runs", "inputs", "sheets"
CURVES, GAINS = "curves.png", "gains.png"
SCHEMA = 1
"""Of `results.json`."""


def write_report(out: Path, plan: Plan, done: Sequence[Done]) -> dict[str, Any]:
    """Write everything that can be said of the finished jobs.

    Args:
        out: directory of the benchmark.
        plan: what was asked.
        done: what became of each job, in the order of the jobs.

    Returns:
        What `results.json` holds.
    """
    scores = scores_of(plan, done)
    cells = summarise(scores)
    noted = notes(plan, len({each.job.subject for each in done}))
    differences = beside_first(scores)
    write_tables(out, cells, noted, differences)
    gained = gains(scores, input_yaws(done)) if scores else ()
    if scores:
        draw_curves(scores, out / CURVES)
        draw_gains(gained, out / GAINS)
    _draw_sheets(out, done)
    results = {
        "schema": SCHEMA,
        "hfinv": __version__,
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "libraries": versions.all_versions(),
        "hardware": hardware(),
        "seeds": seeds(plan),
        "embedder": EMBEDDER,
        "notes": list(noted),
        "settings": {
            recipe: to_toml(load_settings(recipe, plan.config_file, plan.assignments))
            for recipe in plan.recipes
        },
        "scores": scores,
        "failures": [
            {"recipe": e.job.recipe, "head": e.job.subject, "error": e.error, "hint": e.hint}
            for e in done
            if e.scores is None
        ],
        "means": [_plain(cell) for cell in cells],
        "differences": [_plain(cell) for cell in differences],
        "gains": [asdict(gain) for gain in gained],
    }
    with written_aside(out / RESULTS) as aside:
        storage.write_json(aside, results)
    return results


def scores_of(plan: Plan, done: Sequence[Done]) -> dict[str, dict[str, Any]]:
    """Recipe -> head -> scores; recipes in the order in which they were named, without those of which nothing was made."""
    scores = {
        recipe: {e.job.subject: e.scores for e in done if e.job.recipe == recipe and e.scores}
        for recipe in plan.recipes
    }
    return {recipe: heads for recipe, heads in scores.items() if heads}


def input_yaws(done: Sequence[Done]) -> dict[str, float]:
    """How far each true head's input view is turned, degrees of yaw by the head's name."""
    truths = {each.job.subject: each.job.truth for each in done if each.job.truth is not None}
    return {
        name: math.degrees(truth.input.camera.angles()[0].item()) for name, truth in truths.items()
    }


def write_tables(
    out: Path, cells: Sequence[Cell], noted: Sequence[str], differences: Sequence[Cell]
) -> None:
    """Write table.md, table.csv and table.tex."""
    texts = {
        "table.md": as_markdown(cells, noted, differences),
        "table.csv": as_csv([*cells, *differences]),
        "table.tex": as_tex(cells, noted, differences),
    }
    for name, text in texts.items():
        with written_aside(out / name) as aside:
            aside.write_text(text, encoding="utf-8")


def notes(plan: Plan, subjects: int) -> tuple[str, ...]:
    """What must stand under a table, so that its numbers mean something."""
    if plan.photos is not None:
        what = f"{subjects} photographs, without truth: compared with the photo itself"
    elif plan.data is not None:
        what = f"{subjects} heads of a data directory"
    else:
        what = (
            f"{subjects} synthetic heads of {plan.size} px, seed {HEAD_SEED}, hair from {HAIR_SEED}"
        )
        what += "; skins, hair and shapes never trained on"
    changed = [*plan.assignments, *(["a settings file"] if plan.config_file else [])]
    return (
        f"{what}; {interval_note()}",
        "views are named by their yaw from the input view; `pitch` is 10 degrees up and down",
        f"identity distance: {EMBEDDER}; never compare it with another embedder's",
        "distances after one scale a view, in percent of the height of the head",
        "changed for every recipe: " + (", ".join(changed) or "nothing"),
        f"{_software()}; inversions with seed {plan.seed}; {_hardware_line()}",
    )


def seeds(plan: Plan) -> dict[str, int]:
    """Every seed that went in."""
    return {
        "inversions": plan.seed,
        "heads": HEAD_SEED,
        "hair": HAIR_SEED,
        "bootstrap": BOOTSTRAP_SEED,
    }


def hardware() -> dict[str, Any]:
    """What computed."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory, 1),
        "gpus": gpus,
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _hardware_line() -> str:
    found = hardware()
    gpus = f", {found['gpus'][0]}" if found["gpus"] else ", no GPU"
    return f"{found['cores']} cores of {found['processor']}{gpus}"


def _software() -> str:
    library = versions.all_versions()
    return f"hfinv {__version__}, torch {library['torch']}, Python {library['python']}"


def _draw_sheets(out: Path, done: Sequence[Done]) -> None:
    for subject in dict.fromkeys(each.job.subject for each in done):
        mine = [each for each in done if each.job.subject == subject and each.scores is not None]
        if mine:
            job = mine[0].job
            runs = {each.job.recipe: each.job.run for each in mine}
            draw_sheet(out / SHEETS_FOLDER / f"{subject}.png", job.photo, job.truth, runs)


def _plain(cell: Cell) -> dict[str, Any]:
    mean = {
        key: storage.finite(value) if isinstance(value, float) else value
        for key, value in asdict(cell.mean).items()
    }
    return {"recipe": cell.recipe, "view": cell.bin, "metric": cell.metric, **mean}
