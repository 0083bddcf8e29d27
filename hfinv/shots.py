"""Which pictures of a head were asked for, and where they go."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hfinv.camera import Camera
from hfinv.errors import UsageError
from hfinv.generators.base import Card
from hfinv.progress import Progress, Stage, Step, ignore
from hfinv.render import (
    Renderable,
    RenderConfig,
    orbit_cameras,
    read_cameras,
    save_stills,
    save_video,
    still_camera,
    swing_cameras,
)

FILMS = (".mp4", ".webm", ".gif")
WHOLE_TURN = 360.0


@dataclass(frozen=True)
class Shots:
    """What to take; angles in degrees. A turntable if nothing is asked."""

    orbit: float | None = None
    """How far a turntable turns."""
    swing: float | None = None
    """How far a swing goes to either side."""
    yaw: tuple[float, ...] = ()
    """A still from each."""
    pitch: float | None = None
    """How far from above; alone, it asks for a still from the front."""
    cameras: Path | None = None
    """JSON object of named EG3D labels: a still from each."""
    size: int | None = None
    fps: int | None = None
    seconds: float | None = None
    depth: bool = False
    """Also write distances."""
    background: str = "matte"
    """"keep" what the generator draws behind the head, or "matte" for white."""

    def films(self) -> dict[str, float]:
        """The videos asked for: name -> degrees."""
        asked = {"orbit": self.orbit, "swing": self.swing}
        films = {name: degrees for name, degrees in asked.items() if degrees is not None}
        nothing = not (films or self.yaw or self.cameras) and self.pitch is None
        return {"orbit": WHOLE_TURN} if nothing else films

    def angles(self) -> tuple[float, ...]:
        """The yaws of the stills asked for."""
        only_pitch = self.pitch is not None and not (self.films() or self.cameras)
        return self.yaw or ((0.0,) if only_pitch else ())

    def config(self) -> RenderConfig:
        """What was not asked is as RenderConfig has it."""
        names = ("size", "fps", "seconds", "pitch")
        given = {name: getattr(self, name) for name in names}
        config = RenderConfig(**{name: v for name, v in given.items() if v is not None})
        return replace(config, background=None) if self.background == "keep" else config


def take(head: Renderable, shots: Shots, out: Path, progress: Progress = ignore) -> list[Path]:
    """Take the pictures.

    Args:
        head: whose.
        shots: which.
        out: a folder; or a file, if only one picture or film is asked.
        progress: hears of each film and each of its frames.

    Returns:
        The files written.

    Raises:
        UsageError: something impossible was asked.
    """
    config = shots.config()
    films, stills = shots.films(), dict(_stills(head, shots))
    _check_one_file(out, films, stills)
    written: list[Path] = []
    for name, degrees in films.items():
        path = out if out.suffix.lower() in FILMS else out / f"{name}.mp4"
        aim = orbit_cameras if name == "orbit" else swing_cameras
        with _told(name, progress) as frame:
            cameras = aim(head.generator, degrees, config)
            written += save_video(head, cameras, path, config, shots.depth, frame)
    if stills:
        folder = out
        if out.suffix.lower() == ".png":
            folder, stills = out.parent, {out.stem: camera for camera in stills.values()}
        with _told("stills", progress):
            written += save_stills(head, stills, folder, config, shots.depth)
    return written


def guesses(shots: Shots, card: Card) -> tuple[str, ...]:
    """What the person should know of views that the generator never learned."""
    farthest = max(
        [
            *(abs(degrees) / 2 for name, degrees in shots.films().items() if name == "orbit"),
            *(abs(degrees) for name, degrees in shots.films().items() if name == "swing"),
            *(abs((yaw + 180) % 360 - 180) for yaw in shots.angles()),
            0.0,
        ]
    )
    known = math.degrees(card.yaw_range)
    if min(farthest, 180.0) <= known + 1e-6:
        return ()
    return (
        f"`{card.name}` learned views of up to {known:.0f} degrees to either side; beyond, the head is guessed",
    )


def other(shots: Shots) -> list[str]:
    """Options of a command that shows what this one did not."""
    return ["--yaw", "-30", "--yaw", "30"] if shots.films() else ["--orbit", f"{WHOLE_TURN:g}"]


def _stills(head: Renderable, shots: Shots) -> Iterator[tuple[str, Camera]]:
    for yaw in shots.angles():
        pitch = "" if shots.pitch is None else f"_pitch{shots.pitch + 0.0:+g}"
        camera = still_camera(head.generator, yaw, shots.pitch or 0.0)
        yield f"yaw{yaw + 0.0:+g}{pitch}", camera  # + 0.0 writes -0 as +0
    if shots.cameras is not None:
        yield from read_cameras(shots.cameras).items()


def _check_one_file(out: Path, films: dict[str, float], stills: dict[str, Camera]) -> None:
    suffix = out.suffix.lower()
    if suffix in FILMS and (len(films) != 1 or stills):
        raise UsageError(
            f"`{out}` can hold one film, and something else was asked", "name a folder with `--out`"
        )
    if suffix == ".png" and (len(stills) != 1 or films):
        raise UsageError(
            f"`{out}` can hold one still, and something else was asked",
            "name a folder with `--out`",
        )


@contextmanager
def _told(name: str, progress: Progress) -> Iterator[Callable[[int, int], None]]:
    progress(Stage(name, "begun"))
    start = time.perf_counter()
    yield lambda done, total: progress(Step(name, done, total))
    progress(Stage(name, "made", time.perf_counter() - start))
