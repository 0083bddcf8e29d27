"""The work units, one head by one recipe each, in this process or in several at once.

A unit that fails, or whose process dies, is told of; the others go on.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hfinv.bench.truth import TrueHead
from hfinv.errors import HfinvError
from hfinv.progress import Progress, Stage, ignore

PARENT_DEATH_SIGNAL = 1
"""prctl's word for the signal that a process gets when its parent is gone."""
ALIVE = 5.0
"""Seconds to wait for a process to end."""


@dataclass(frozen=True)
class Job:
    """One head by one recipe."""

    recipe: str
    """A preset."""
    subject: str
    """Name of the head or photo."""
    photo: Path
    camera: Path | None
    """The photo's label, if it is already cropped."""
    run: Path
    """Run directory."""
    truth: TrueHead | None
    config_file: Path | None
    assignments: tuple[str, ...]
    device: str
    seed: int
    lenders: tuple[Path, ...] = ()
    """Runs of the same photo by other recipes, whose stages serve where they are the same."""

    @property
    def name(self) -> str:
        return f"{self.recipe} {self.subject}"


@dataclass(frozen=True)
class Done:
    """What became of a job."""

    job: Job
    scores: dict[str, Any] | None
    """See `measure.measure`; None if it failed."""
    error: str = ""
    """One sentence, if it failed."""
    hint: str = ""


def work(job: Job, progress: Progress = ignore) -> dict[str, Any]:
    """Invert the photo by the recipe, unless that is done, and measure the head."""
    from hfinv.bench.measure import measure
    from hfinv.config import load_settings
    from hfinv.pipeline import invert

    assignments = ("report=false", *job.assignments)
    if job.camera is not None:
        assignments += (f"intake.camera={job.camera}",)
    settings = load_settings(job.recipe, job.config_file, assignments)
    invert(job.photo, job.run, settings, job.device, job.seed, progress, job.lenders)
    return measure(job.run, job.truth, job.device)


def attempt(job: Job, progress: Progress = ignore) -> Done:
    """`work`, with its failure told instead of raised: one bad head must not end a night's benchmark."""
    try:
        return Done(job, work(job, progress))
    except HfinvError as error:
        return Done(job, None, error.message, error.hint or "")
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        return Done(job, None, f"{type(error).__name__}: {first}")


def run_all(jobs: Sequence[Job], at_once: int, progress: Progress = ignore) -> Iterator[Done]:
    """Do all jobs; yields each as it ends.

    Args:
        jobs: in the order in which they are begun.
        at_once: how many processes share the work; with 1 it is done here, and `progress` hears each step.
        progress: hears of each job, as of a stage.
    """
    if at_once <= 1:
        for job in jobs:
            start = time.perf_counter()
            done = attempt(job, progress)
            progress(Stage(job.name, "made", time.perf_counter() - start))
            yield done
        return
    with Workers(min(at_once, len(jobs))) as workers:
        for done, seconds in workers.do(jobs):
            progress(Stage(done.job.name, "made", seconds))
            yield done


def in_order(done: Iterable[Done], jobs: Sequence[Job]) -> list[Done]:
    """What became of the jobs in the order of the jobs, whichever ended first."""
    place = {job.name: index for index, job in enumerate(jobs)}
    return sorted(done, key=lambda each: place[each.job.name])


class Workers:
    """Processes that do one job after another; one that dies is replaced."""

    def __init__(self, count: int) -> None:
        import torch

        self.threads = max(1, torch.get_num_threads() // count)
        """Of torch, in each process."""
        self.context = multiprocessing.get_context("spawn")
        self.count = count
        self.processes: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> Workers:
        for _ in range(self.count):
            self._begin()
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in list(self.processes):
            self._end(pipe)

    def do(self, jobs: Sequence[Job]) -> Iterator[tuple[Done, float]]:
        """Each job's end as it comes, with its seconds."""
        waiting, busy = list(jobs), {}
        while waiting or busy:
            for pipe in list(self.processes):
                if waiting and pipe not in busy:
                    try:
                        pipe.send(waiting[0])
                        busy[pipe] = waiting.pop(0), time.perf_counter()
                    except OSError:  # it died idle
                        self._replace(pipe)
            for pipe in wait(list(busy)):
                job, begun = busy.pop(pipe)
                try:
                    done = pipe.recv()
                except (EOFError, OSError):
                    done = Done(job, None, "the process died, perhaps for want of memory", FEWER)
                    self._replace(pipe)
                yield done, time.perf_counter() - begun

    def _begin(self) -> None:
        here, there = self.context.Pipe()
        process = self.context.Process(target=_serve, args=(there, self.threads), daemon=True)
        process.start()
        there.close()  # so that its death is heard here
        self.processes[here] = process

    def _replace(self, pipe: Connection) -> None:
        self._end(pipe)
        self._begin()

    def _end(self, pipe: Connection) -> None:
        process = self.processes.pop(pipe)
        pipe.close()
        process.terminate()
        process.join(ALIVE)


FEWER = "use fewer `--jobs`, then run the same command again"


def _serve(pipe: Connection, threads: int) -> None:
    """A worker's life: jobs in, what became of them out, until nobody sends any more."""
    import torch

    from hfinv.memory import keep_freed

    # A killed benchmark must leave nobody behind who holds its run directories.
    prctl: Callable[..., int] | None = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers ctrl-c
    torch.set_num_threads(threads)
    keep_freed()
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(job))
