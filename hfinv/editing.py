"""Edits: the same head, smiling, older, in other light.

An edit adds a labelled direction to the latent and keeps everything the inversion learned: the tuned generator draws
T(w + delta), so identity and details survive (Roich et al., 2021, section 4). One unit is one standard deviation of
the factor over the generator's heads.

    face.hfinv/edits/smile+0.8/     stage.json, tensors.safetensors, before_after.png

An edit's folder is opened, rendered and edited like a run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hfinv import storage
from hfinv.errors import HfinvError, UsageError
from hfinv.generators.base import Generator
from hfinv.generators.directions import Directions, directions
from hfinv.head import Head
from hfinv.image import contact_sheet, save_png, written_aside

EDITS = "edits"
STAGE = "edit"
SHOWN = (-30.0, 0.0, 30.0)
"""Yaws of the pictures before and after, degrees."""


@dataclass(frozen=True)
class Edit:
    """What was changed."""

    names: tuple[str, ...]
    amounts: tuple[float, ...]
    """Standard deviations, one a name."""
    w_plus: Tensor
    """[1, L, D], the latent after all of them."""


def edit(head: Head, amounts: Mapping[str, float]) -> Edit:
    """Move a head's latent along labelled directions.

    Args:
        head: which.
        amounts: name of a factor -> standard deviations.

    Raises:
        UsageError: there is no such factor, or the generator has no labels.
    """
    along = directions(head.generator)
    w_plus = head.w_plus
    for name, amount in amounts.items():
        w_plus = w_plus + along.along(name, amount).to(w_plus)
    return Edit(tuple(amounts), tuple(map(float, amounts.values())), w_plus)


@torch.no_grad()
def applied(head: Head, change: Edit, folder: Path | None = None) -> Head:
    """The head with the edit's latent; `folder` is where pictures of it go by default."""
    w_plus = change.w_plus.to(head.w_plus)
    planes = head.generator.planes(w_plus)
    return replace(head, w_plus=w_plus, planes=planes, run=folder or head.run)


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


def listing(generator: Generator) -> tuple[list[str], dict[str, Any]]:
    """What can be changed, as lines for people and as facts for programs."""
    along = directions(generator)
    entries = [
        {"name": name, "low": low, "high": high, "meaning": meaning}
        for name, meaning, (low, high) in zip(along.names, along.meanings, along.ranges.tolist())
    ]
    width = max(map(len, along.names))
    lines = [
        f"{e['name']:{width}}  {e['low']:+g} to {e['high']:+g}  {e['meaning']}" for e in entries
    ]
    return lines, {"generator": generator.card.name, "attributes": entries}


def title(amounts: Mapping[str, float]) -> str:
    """Such as `smile+0.8,age-0.5`: the name of the edit's folder."""
    return ",".join(f"{name}{amount:+g}" for name, amount in amounts.items())


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
        storage.write(change, aside, {"stage": STAGE, "of": pivot_digest(head)})
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
    note = storage.read_note(path) or {}
    if note.get("of") != pivot_digest(head):
        raise HfinvError(f"`{path}` was made from another head than `{head.run}` now holds", again)
    try:
        return applied(head, storage.read(path, Edit), path)
    except ValueError as error:
        raise HfinvError(f"`{path}` is damaged", again) from error


def pivot_digest(head: Head) -> str:
    """Tells one head's latent from another's."""
    numbers = head.w_plus.detach().float().cpu().contiguous().numpy()
    return storage.digest("pivot", numbers.tobytes().hex())
