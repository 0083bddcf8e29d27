"""The benchmark: the same heads by several recipes, measured alike, as tables, curves and sheets.

heads - recipes - measures - means - table, curves, sheets
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfinv.errors import BatchError, UsageError
from hfinv.progress import Progress, Stage, Step, ignore

HEADS, SIZE = 12, 256
"""How many synthetic heads, and the side of their pictures, if not said."""
PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".tif", ".tiff", ".bmp")
"""Endings of the files that `--photos` takes."""


@dataclass(frozen=True)
class Plan:
    """What is to be compared, on what."""

    recipes: tuple[str, ...]
    """Presets."""
    heads: int | None = None
    """How many; the first of `data`, or of the synthetic heads."""
    data: Path | None = None
    """Directory of true heads; synthetic heads if not given."""
    photos: Path | None = None
    """Directory of photographs without any truth; instead of heads."""
    size: int = SIZE
    """Side of the synthetic heads' pictures, in pixels."""
    cache: Path | None = None
    """Where synthetic heads are kept; `synthetic.cache_folder()` if not given."""
    config_file: Path | None = None
    """Settings for every recipe, in TOML."""
    assignments: tuple[str, ...] = ()
    """Settings for every recipe, such as `tuning.steps=50`."""
    device: str = "auto"
    seed: int = 0
    """Of the inversions."""
    jobs: int = 1
    """How many processes share the work."""


def bench(out: Path, plan: Plan, progress: Progress = ignore) -> dict[str, Any]:
    """Invert every head by every recipe, measure, and write what came out; what is finished is kept.

    Args:
        out: directory; one that exists goes on.
        plan: see `Plan`.
        progress: hears of the heads, the jobs, and with one process each step.

    Returns:
        What `results.json` holds.

    Raises:
        UsageError: the plan or the data cannot be used; nothing was begun.
        HfinvError: a package is missing, or `out` cannot be written.
        BatchError: some heads failed; the others are in the tables.
    """
    from hfinv.bench.curves import check_installed
    from hfinv.bench.jobs import in_order, run_all
    from hfinv.bench.report import write_report

    # 1. See that nothing will stop us in the middle of the night.
    check_installed()
    _check(out, plan)

    # 2. The heads: true ones, or photographs.
    subjects = _subjects(plan, progress)

    # 3. Each head by each recipe, in run directories of their own.
    jobs = _jobs(out, plan, subjects)
    done = in_order(run_all(jobs, plan.jobs, progress), jobs)

    # 4. Means, tables, curves, sheets.
    results = write_report(out, plan, done)
    failed = [each for each in done if each.scores is None]
    if failed:
        first = failed[0]
        raise BatchError(
            f"{len(failed)} of {len(done)} failed, the first is `{first.job.name}`: {first.error}",
            first.hint or f"`{out / 'results.json'}` names the others; run the same command again",
        )
    return results


def _check(out: Path, plan: Plan) -> None:
    """Whatever can be known to be wrong before anything is computed."""
    from hfinv.bench.report import INPUTS_FOLDER, RESULTS, RUNS_FOLDER
    from hfinv.config import load_settings

    if not plan.recipes:
        raise UsageError("no recipe was named", "such as `--recipes w_plus,pti`")
    for recipe in plan.recipes:
        load_settings(recipe, plan.config_file, plan.assignments)
        if plan.recipes.count(recipe) > 1:
            raise UsageError(f"the recipe `{recipe}` was named twice", "name each once")
    if plan.data is not None and plan.photos is not None:
        raise UsageError("both `--data` and `--photos` were given", "give one of them")
    if plan.heads is not None and plan.heads < 1:
        raise UsageError(f"{plan.heads} heads cannot be compared", "choose 1 or more")
    if plan.jobs < 1:
        raise UsageError(f"{plan.jobs} processes cannot work", "choose 1 or more")
    if out.exists() and not out.is_dir():
        raise UsageError(f"`{out}` is a file, not a folder", "choose another with `--out`")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if names and not names & {RESULTS, RUNS_FOLDER, INPUTS_FOLDER}:
        raise UsageError(f"`{out}` is not empty and no benchmark", "choose another with `--out`")


def _subjects(plan: Plan, progress: Progress) -> list[Any]:
    """True heads, or paths of photos."""
    from hfinv.bench.synthetic import cache_folder, synthetic_heads
    from hfinv.bench.truth import read_heads

    if plan.photos is not None:
        return _photos(plan)
    if plan.data is not None:
        heads = read_heads(plan.data)
        wanted = len(heads) if plan.heads is None else plan.heads
        if wanted > len(heads):
            raise UsageError(
                f"`{plan.data}` holds {len(heads)} heads, not {wanted}", "ask for less"
            )
        return list(heads[:wanted])
    if plan.size < 64:
        raise UsageError(f"heads of {plan.size} pixels show nothing", "choose 64 or more")
    progress(Stage("heads", "begun"))
    count = HEADS if plan.heads is None else plan.heads
    cache = plan.cache or cache_folder()
    heads = synthetic_heads(
        count, plan.size, cache, lambda done, of: progress(Step("heads", done, of))
    )
    progress(Stage("heads", "made"))
    return list(heads)


def _photos(plan: Plan) -> list[Path]:
    if not plan.photos.is_dir():
        raise UsageError(f"there is no folder `{plan.photos}`", "check the path")
    found = sorted(p for p in plan.photos.iterdir() if p.suffix.lower() in PHOTOS)
    if not found:
        raise UsageError(
            f"there is no photo in `{plan.photos}`", "its files must end in .jpg or .png"
        )
    return found[: plan.heads]


def _jobs(out: Path, plan: Plan, subjects: Sequence[Any]) -> list[Any]:
    """Head by head, so that what is done first can be compared first; as many heads together as there are processes,
    so that a recipe finds what an earlier one has made."""
    from hfinv.bench.jobs import Job
    from hfinv.bench.report import RUNS_FOLDER
    from hfinv.bench.truth import TrueHead

    out = out.absolute()
    jobs = []
    for first in range(0, len(subjects), plan.jobs):
        together = subjects[first : first + plan.jobs]
        for place, recipe in enumerate(plan.recipes):
            for subject in together:
                truth = subject if isinstance(subject, TrueHead) else None
                name = truth.name if truth else subject.name
                runs = [out / RUNS_FOLDER / each / f"{name}.hfinv" for each in plan.recipes]
                jobs.append(
                    Job(
                        recipe, name, truth.input.image if truth else subject,
                        _camera_file(out, truth) if truth else None, runs[place], truth,
                        plan.config_file, plan.assignments, plan.device, plan.seed,
                        lenders=tuple(runs[:place]),
                    )  # fmt: skip
                )
    return jobs


def _camera_file(out: Path, truth: Any) -> Path:
    """The label of the head's input view, as a file that `--camera` takes."""
    import json

    from hfinv.bench.report import INPUTS_FOLDER
    from hfinv.image import written_aside

    camera = out / INPUTS_FOLDER / f"{truth.name}.json"
    with written_aside(camera) as aside:
        aside.write_text(json.dumps(truth.input.label) + "\n", encoding="utf-8")
    return camera
