"""The run directory: stages saved as they finish, found again, resumed.

    face.hfinv/
      run.json        which hfinv, command, photo, seed, device, libraries; when, how long and in how much memory each stage was made
      settings.toml   every setting as used
      metrics.jsonl   one line a step
      STAGE/          stage.json, tensors.safetensors and pictures
      renders/        what later verbs wrote

Only `run.json` tells times, so that the same work leaves the same bytes everywhere else.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import shlex
import shutil
import sys
import time
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import torch

from hfinv import __version__, storage, versions
from hfinv.errors import HfinvError, UsageError
from hfinv.image import written_aside
from hfinv.memory import Peak
from hfinv.progress import Progress, Stage, ignore
from hfinv.rundir import (
    ABOUT,
    ELSEWHERE,
    METRICS,
    REPORT,
    SCHEMA,
    SETTINGS,
    locked,
    make_directory,
    read_about,
)
from hfinv.steplog import lines_of, logged

Result = TypeVar("Result")
AGAIN = "run the same `hfinv invert` again, it goes on where it stopped"


class Run:
    """A directory of finished stages.

        with Run.create(path, first_key_parts={"photo": sha256, "seed": 0}) as run:
            face = run.stage("intake", take_in, photo, config=config.intake)
            pivot = run.stage("latent", estimate_latent, generator, face, config=config.latent)

    Use `create` to make stages, `open` to read them.
    """

    def __init__(
        self, path: Path, about: dict[str, Any], device: torch.device | str, progress: Progress
    ) -> None:
        self.path, self.about, self.device, self.progress = path, about, device, progress
        self.key: str = about["key"]
        """Digest of everything that the next stage's result depends on so far."""
        self.visited: list[Stage] = []
        """The stages of this session, in order."""
        self.lenders: tuple[Path, ...] = ()
        """Other runs, whose stages are copied where these settings would make the same."""
        self._lock: typing.IO[str] | None = None

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        first_key_parts: Mapping[str, str | int | float | None],
        about: Mapping[str, Any] | None = None,
        settings: str = "",
        device: torch.device | str = "cpu",
        progress: Progress = ignore,
        lenders: Iterable[str | os.PathLike[str]] = (),
    ) -> Self:
        """A run to make stages in: a new one, or one that is there and goes on.

        Args:
            path: the directory.
            first_key_parts: what every stage depends on: `photo` (SHA-256 of its bytes), generator,
                seed, device.
            about: plain values for people to read in `run.json`, such as the photo's name.
            settings: the text of `settings.toml`.
            device: where the stages' tensors go.
            progress: hears of each stage and each step.
            lenders: other run directories; a stage that one of them holds and this one would make alike is copied.

        Raises:
            UsageError: the directory is something else, or holds finished stages of another photo.
            HfinvError: it cannot be written, is in use, or was made by another version.
        """
        path = Path(path)
        make_directory(path)
        lock = locked(path)
        try:
            before = read_about(path) or {}
            _check_photo(path, before, first_key_parts)
            facts = {
                **(about or {}),
                "schema": SCHEMA,
                "hfinv": __version__,
                "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
                "libraries": versions.all_versions(),
                "inputs": dict(first_key_parts),
                "key": storage.digest("hfinv run", SCHEMA, dict(first_key_parts)),
                "created": before.get("created", _now()),
                "stages": before.get("stages", {}),
            }
            run = cls(path, json.loads(json.dumps(facts)), device, progress)
            run._lock = lock
            run.lenders = tuple(Path(lender) for lender in lenders)
            if run.about != before:
                run._write_about()
            run._write_settings(settings)
        except BaseException:
            lock.close()
            raise
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str], device: torch.device | str = "cpu") -> Self:
        """A run to read.

        Raises:
            UsageError: there is no run.
            HfinvError: it was made by another version.
        """
        path = Path(path)
        if not path.is_dir():
            raise UsageError(
                f"there is no run `{path}`", f"make one: `hfinv invert PHOTO --out {path}`"
            )
        about = read_about(path)
        if about is None:
            raise UsageError(
                f"`{path}` is not a run, it has no `{ABOUT}`",
                "name a folder that `hfinv invert` made",
            )
        return cls(path, about, device, ignore)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other processes use the directory."""
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def stage(
        self,
        name: str,
        make: Callable[..., Result],
        *inputs: Any,
        config: Any,
        save_pictures: Callable[[Result, Path], None] | None = None,
        **more: Any,
    ) -> Result:
        """The stage's saved result; borrowed, or made, and saved first if the settings so far are new.

        What comes back is always read from disk, so a resumed run cannot differ from a fresh one.

        Args:
            name: of the stage and its folder.
            make: called as `make(*inputs, config, **more)`, with `progress` if it takes one. Its
                return annotation is the result's type, a frozen dataclass.
            inputs: results of earlier stages and what the first key covers; no part of the key.
            config: the stage's settings; part of the key.
            save_pictures: called with the result and the folder to write pictures to.
            more: further inputs by name.
        """
        after, self.key = self.key, storage.digest(self.key, name, config)
        kind = _result_type(make)
        kept = self._kept(name, kind)
        if kept is None and self._borrow(name):
            kept = self._kept(name, kind)
        if kept is not None:
            self._tell(Stage(name, "kept", self._seconds(name)))
            return kept
        self.progress(Stage(name, "begun"))
        start = time.perf_counter()
        earlier = {stage.name for stage in self.visited}
        heard = logged(self.path / METRICS, name, earlier, self.progress)
        with Peak(self.device) as peak:
            if "progress" in inspect.signature(make).parameters:
                more = {"progress": heard, **more}
            result = make(*inputs, config, **more)
        self._save(
            name,
            result,
            {"schema": SCHEMA, "stage": name, "key": self.key, "after": after},
            save_pictures,
        )
        seconds = time.perf_counter() - start
        facts = {"seconds": round(seconds, 3), "peak_mb": round(peak.megabytes), "made": _now()}
        self._note_stage(name, {"key": self.key, **facts})
        self._tell(Stage(name, "made", seconds))
        return storage.read(self.path / name, kind, self.device)

    def load(self, name: str, kind: type[Result]) -> Result:
        """A finished stage's result.

        Raises:
            HfinvError: it is not finished, or an earlier stage was made anew since.
        """
        if not self._is_current(name):
            raise HfinvError(f"`{self.path}` has no finished `{name}`", AGAIN)
        try:
            return storage.read(self.path / name, kind, self.device)
        except ValueError as error:
            raise HfinvError(f"`{self.path / name}` is damaged", AGAIN) from error

    def summary(self, told: Iterable[Stage] = ()) -> dict[str, Any]:
        """What `--json` says of the run: stages, metrics, files, warnings; paths are `Path`s.

        Args:
            told: what `progress` heard, so that it can be said which stages were made just now.
        """
        notes = self._notes()
        values = {name: note["values"] for name, note in notes.items()}
        made = {stage.name: stage.state == "made" for stage in told}
        stages = {
            name: {"seconds": self._seconds(name), "made": made.get(name, False)} for name in notes
        }
        numbers = {
            name: {key: value for key, value in of.items() if type(value) in (int, float)}
            for name, of in values.items()
        }
        files = [self.path / name for name in (ABOUT, SETTINGS, METRICS, REPORT)]
        files += [file for name in notes for file in sorted((self.path / name).iterdir())]
        return {
            "run": self.path,
            "stages": stages,
            "metrics": {name: found for name, found in numbers.items() if found},
            "files": {
                file.relative_to(self.path).as_posix(): file for file in files if file.is_file()
            },
            "warnings": [line for of in values.values() for line in of.get("warnings") or ()],
        }

    def _tell(self, stage: Stage) -> None:
        self.visited.append(stage)
        self.progress(stage)

    def _kept(self, name: str, kind: type[Result]) -> Result | None:
        note = storage.read_note(self.path / name)
        if note is None or note.get("key") != self.key:
            return None
        try:
            return storage.read(self.path / name, kind, self.device)
        except ValueError:  # damaged, or written by a version with other fields: make it again
            return None

    def _borrow(self, name: str) -> bool:
        """Copy the stage from a lender that holds it, with the seconds that it took there; whether there was one."""
        for lender in self.lenders:
            about = read_about(lender) if lender.is_dir() else None
            facts = (about or {}).get("stages", {}).get(name, {})
            note = storage.read_note(lender / name) or {}
            if facts.get("key") == note.get("key") == self.key:
                with self._replaced(name) as aside:
                    shutil.copytree(lender / name, aside)
                self._note_stage(name, facts)
                return True
        return False

    def _note_stage(self, name: str, facts: Mapping[str, Any]) -> None:
        self.about["stages"] = {**self.about["stages"], name: dict(facts)}
        self._write_about()

    def _seconds(self, name: str) -> float:
        return self.about["stages"].get(name, {}).get("seconds", 0.0)

    def _notes(self) -> dict[str, dict[str, Any]]:
        """The notes of the finished stages that belong together, in order."""
        notes = {folder.name: storage.read_note(folder) for folder in sorted(self.path.iterdir())}
        by_after = {
            note["after"]: note
            for name, note in notes.items()
            if note and note.get("stage") == name
        }
        chain, key = {}, self.about["key"]
        while key in by_after:
            note = by_after.pop(key)
            chain[note["stage"]], key = note, note["key"]
        return chain

    def _is_current(self, name: str) -> bool:
        return name in self._notes()

    def _save(
        self,
        name: str,
        result: Result,
        note: dict[str, Any],
        save_pictures: Callable[[Result, Path], None] | None,
    ) -> None:
        with self._replaced(name) as aside:
            aside.mkdir()
            if save_pictures is not None:
                save_pictures(result, aside)
            storage.write(result, aside, note)

    @contextmanager
    def _replaced(self, name: str) -> Iterator[Path]:
        """A place to write the whole folder aside; afterwards it is put in the place of the old one."""
        folder, old = self.path / name, self.path / f".{name}.old"
        with written_aside(folder) as aside:
            for left_over in (aside, old):
                shutil.rmtree(left_over, ignore_errors=True)
            try:
                yield aside
                if folder.exists():
                    os.replace(folder, old)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
        shutil.rmtree(old, ignore_errors=True)

    def _write_about(self) -> None:
        with written_aside(self.path / ABOUT) as aside:
            storage.write_json(aside, self.about)

    def _write_settings(self, settings: str) -> None:
        path = self.path / SETTINGS
        if "".join(lines_of(path)) != settings:
            with written_aside(path) as aside:
                aside.write_text(settings, encoding="utf-8")


def _check_photo(path: Path, before: dict[str, Any], first_key_parts: Mapping[str, Any]) -> None:
    photo = before.get("inputs", {}).get("photo")
    if photo != first_key_parts.get("photo") and before.get("stages"):
        raise UsageError(
            f"`{path}` holds the head of another photo", f"{ELSEWHERE}, or delete this one"
        )


def _result_type(make: Callable[..., Result]) -> type[Result]:
    function = make.func if isinstance(make, functools.partial) else make
    kind = typing.get_type_hints(function).get("return")
    if kind is None:
        raise TypeError(f"`{getattr(function, '__name__', function)}` does not say what it returns")
    return kind


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
