"""Edits: the same head, smiling, older, in other light.

An edit adds a labelled direction to the latent and keeps everything the inversion learned: the tuned generator draws
T(w + delta), so identity and details survive (Roich et al., 2021, section 4). One unit is one standard deviation of
the factor over the generator's heads.

    face.hfinv/edits/smile+0.8/     stage.json, tensors.safetensors, before_after.png

An edit's folder is opened, rendered and edited like a run. What a person painted on the crop is an edit as well: a
residual on the planes (`hfinv.painting`), made anew under every later edit, so that lipstick stays on lips that smile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hfinv import storage
from hfinv.errors import HfinvError, UsageError
from hfinv.generators import locate, trained
from hfinv.generators.directions import Directions, directions
from hfinv.head import Head
from hfinv.image import contact_sheet, read, save_png, to_tensor, written_aside
from hfinv.intake import Face
from hfinv.painting import Paint, PaintConfig, find_paint, over, residual_of
from hfinv.progress import Step, ignore
from hfinv.run import Run
from hfinv.rundir import read_about
from hfinv.tuning import Tuned

EDITS = "edits"
STAGE = "edit"
SHOWN = (-30.0, 0.0, 30.0)
"""Yaws of the pictures before and after, degrees."""
BESIDE = 0.1
"""Share of the paint beside the person from which on it is told."""


@dataclass(frozen=True)
class Edit:
    """What was changed."""

    names: tuple[str, ...]
    amounts: tuple[float, ...]
    """Standard deviations, one a name."""
    w_plus: Tensor
    """[1, L, D], the latent after all of them."""
    paint: Paint | None = None
    """All that was painted on the crop so far."""
    residual: Tensor | None = None
    """[1, P, C, h, w] float16, what the paint adds to the planes of `w_plus`."""


def edit(
    head: Head,
    amounts: Mapping[str, float],
    paint: Paint | None = None,
    along: Directions | None = None,
    config: PaintConfig = PaintConfig(),
    progress: Callable[[Step], None] = ignore,
) -> Edit:
    """Move a head's latent along directions, and paint it.

    A head that is painted already is painted anew after it moved, which takes as long as painting it did.

    Args:
        head: which.
        amounts: name of a direction -> standard deviations.
        paint: from `read_paint`; over what is painted already.
        along: the directions; the generator's labelled ones if None.
        config: how paint is put on.
        progress: called after each step of that.

    Raises:
        UsageError: there is no such direction, or the generator has none.
        PhotoError: none of the paint is on the head.
    """
    w_plus = head.w_plus
    if amounts:
        along = along or directions(head.generator)
    for name, amount in amounts.items():
        w_plus = w_plus + along.along(name, amount).to(w_plus)
    change = Edit(tuple(amounts), tuple(map(float, amounts.values())), w_plus)
    whole = head.paint if paint is None else over(paint, head.paint)
    if whole is None:
        return change
    residual = residual_of(head.generator, w_plus, whole, config, progress)
    return replace(change, paint=whole, residual=residual.half())


def read_paint(
    path: str | os.PathLike[str], head: Head, config: PaintConfig = PaintConfig()
) -> tuple[Paint, list[str]]:
    """What was painted on the crop of a head's run, and sentences to warn with.

    Args:
        path: `RUN/intake/crop.png` after painting, at any size.
        head: of a run, or of an edit of one.
        config: what counts as paint.

    Raises:
        PhotoError: the picture cannot be used, or nothing is painted on it, or everything.
        UsageError, HfinvError: the head's run is not there.
    """
    run = Run.open(root_of(head.run), head.w_plus.device)
    face, tuned = run.load("intake", Face), run.load("tuning", Tuned)
    edited = to_tensor(read(path)).to(face.photo)
    colour, mask = find_paint(edited, face.photo, config.difference)
    beside = float((mask * (1 - face.foreground)).sum() / mask.sum())
    told = f"{100 * beside:.0f} % of the paint is beside the person, and is left out"
    paint = Paint(colour, mask, head.camera, tuned.w_plus)
    return paint, [told] if beside > BESIDE else []


@torch.no_grad()
def applied(head: Head, change: Edit, folder: Path | None = None) -> Head:
    """The head with the edit's latent; `folder` is where pictures of it go by default."""
    w_plus = change.w_plus.to(head.w_plus)
    planes = head.generator.planes(w_plus)
    if change.residual is not None:
        planes = planes + change.residual.to(planes)
    return replace(head, w_plus=w_plus, planes=planes, run=folder or head.run, paint=change.paint)


def warnings(along: Directions, amounts: Mapping[str, float]) -> list[str]:
    """A sentence for each amount that lies beyond what the generator was trained on."""
    low_high = {name: along.ranges[along.index(name)].tolist() for name in amounts}
    return [
        f"{name}{amounts[name]:+g} is beyond {low:+g} to {high:+g}, where the generator was trained"
        for name, (low, high) in low_high.items()
        if not low <= amounts[name] <= high
    ]


def joined(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Pairs of name and amount as one mapping; amounts of one name add up."""
    amounts: dict[str, float] = {}
    for name, amount in pairs:
        amounts[name] = amounts.get(name, 0.0) + amount
    return amounts


def known(head: Head, given: Sequence[Path] = ()) -> Directions:
    """The directions of a head's generator: labelled ones, and those trained for it.

    Args:
        head: of a run, or of an edit of one.
        given: folders of trained ones, besides those that are looked into anyway.

    Raises:
        UsageError: there are none.
        WeightsError: a given one was trained for another generator.
    """
    about = read_about(root_of(head.run))
    if about is None:  # a head that no run holds
        return directions(head.generator)
    return trained.known(
        head.generator, locate(about["generator"]), about["inputs"]["generator"], given
    )


def listing(along: Directions, generator: str) -> tuple[list[str], dict[str, Any]]:
    """What can be changed, as lines for people and as facts for programs.

    Args:
        along: the directions.
        generator: its name.
    """
    entries = [
        {"name": name, "low": low, "high": high, "meaning": meaning}
        for name, meaning, (low, high) in zip(along.names, along.meanings, along.ranges.tolist())
    ]
    width = max(map(len, along.names))
    lines = [
        f"{e['name']:{width}}  {e['low']:+g} to {e['high']:+g}  {e['meaning']}" for e in entries
    ]
    return lines, {"generator": generator, "attributes": entries}


def title(amounts: Mapping[str, float], texture: str | os.PathLike[str] | None = None) -> str:
    """Such as `smile+0.8,star`: the name of the edit's folder, from the amounts and the painted picture's name."""
    parts = [f"{name}{amount:+g}" for name, amount in amounts.items()]
    return ",".join(parts + ([Path(texture).stem] if texture is not None else []))


def keep(head: Head, change: Edit, name: str) -> Path:
    """Save an edit in its head's folder, with pictures of before and after; one of that name is replaced.

    Args:
        head: before.
        change: what `edit` gave.
        name: of the folder within `edits`.

    Returns:
        The folder.

    Raises:
        UsageError: the name cannot name a folder.
    """
    if not name.strip() or name.startswith(".") or any(mark in name for mark in "/\\\0"):
        raise UsageError(f"`{name}` cannot name an edit", "use a plain name with `--out`")
    folder = head.run / EDITS / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(folder) as aside:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        save_before_after(head, applied(head, change), aside / "before_after.png")
        storage.write(
            change, aside, {"stage": STAGE, "of": digest_of(head, change.paint is not None)}
        )
        shutil.rmtree(folder, ignore_errors=True)
    return folder


def save_before_after(before: Head, after: Head, path: Path) -> Path:
    """A sheet of two rows: the head before and after, at three yaws."""
    pictures = [head.render(yaw).pixels for head in (before, after) for yaw in SHOWN]
    labels = [f"{word} {yaw:+g}" for word in ("before", "after") for yaw in SHOWN]
    return save_png(path, contact_sheet(pictures, len(SHOWN), labels))


def is_edit(path: str | os.PathLike[str]) -> bool:
    """Is the folder one that `keep` made?"""
    note = storage.read_note(Path(path))
    return note is not None and note.get("stage") == STAGE


def root_of(path: str | os.PathLike[str]) -> Path:
    """The run that an edit, or an edit of an edit, was made from; a run's own path."""
    path = Path(path)
    return root_of(path.resolve().parent.parent) if is_edit(path) else path


def load(path: str | os.PathLike[str], head: Head) -> Head:
    """The edited head of a folder.

    Args:
        path: the edit.
        head: the one it was made from.

    Raises:
        HfinvError: it is damaged, or the head was made anew since.
    """
    path = Path(path)
    again = f"edit `{head.run}` again"
    try:
        change = storage.read(path, Edit)
    except ValueError as error:
        raise HfinvError(f"`{path}` is damaged", again) from error
    if (storage.read_note(path) or {}).get("of") != digest_of(head, change.paint is not None):
        raise HfinvError(f"`{path}` was made from another head than `{head.run}` now holds", again)
    return applied(head, change, path)


def digest_of(head: Head, painted: bool) -> str:
    """Tells one head from another: by its latent, which is all that most edits need; under paint also by its fit."""
    numbers = head.w_plus.detach().float().cpu().contiguous().numpy()
    fit = (head.psnr, head.lpips) if painted else ()
    return storage.digest("pivot", numbers.tobytes().hex(), *fit)
