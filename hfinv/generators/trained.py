"""Directions that were trained for one generator, as files that no other generator may use.

heads512.pkl                          beside a generator of one's own:
heads512.directions/smile.safetensors
~/.local/share/hfinv/directions/SHA/  for the bundled one, and wherever that place is read-only
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hfinv.errors import UsageError, WeightsError
from hfinv.generators import BUNDLED
from hfinv.generators.base import Generator
from hfinv.generators.directions import REACH, Directions, another, directions
from hfinv.image import written_aside

FORMAT = "hfinv direction 1"
ENTRY = "hfinv"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Trained:
    """One direction in w."""

    name: str
    meaning: str
    """What it was trained on, in a few words."""
    generator: str
    """SHA-256 of the generator's file."""
    vector: Tensor
    """[D], added to each row of w_plus; once is one standard deviation of the attribute."""
    normal: Tensor
    """[D], its product with w - mean is how much of the attribute a head has, in standard deviations."""
    report: dict[str, Any]
    """How it was trained, and how well: plain values."""


def save(trained: Trained, folder: Path) -> Path:
    """Write a direction into a folder; returns the file.

    Raises:
        HfinvError: it cannot be written.
    """
    path = folder / f"{trained.name}{SUFFIX}"
    about = {"name": trained.name, "meaning": trained.meaning, "generator": trained.generator}
    entry = json.dumps({"format": FORMAT, **about, "report": trained.report})
    tensors = {"vector": trained.vector, "normal": trained.normal}
    tensors = {name: t.detach().float().cpu().contiguous().clone() for name, t in tensors.items()}
    with written_aside(path) as aside:
        save_file(tensors, aside, {ENTRY: entry})
    return path


def load(path: Path) -> Trained:
    """Read a direction.

    Raises:
        WeightsError: the file is missing, damaged or something else.
    """
    try:
        with safe_open(path, "pt") as file:
            entry = json.loads((file.metadata() or {}).get(ENTRY, "{}"))
            if entry.get("format") != FORMAT:
                raise WeightsError(
                    f"`{path}` holds no direction", "train one: `hfinv direction train`"
                )
            about = {key: entry[key] for key in ("name", "meaning", "generator", "report")}
            return Trained(
                vector=file.get_tensor("vector"), normal=file.get_tensor("normal"), **about
            )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightsError(
            f"`{path}` is damaged or missing", "train the direction again"
        ) from error


def folder_for(weights: Path, digest: str) -> Path:
    """Where a generator's directions are kept: beside it, unless it is bundled or its folder refuses.

    Args:
        weights: the generator's file.
        digest: its SHA-256.
    """
    if weights in BUNDLED.values() or not _writable(weights.parent):
        return user_folder(digest)
    return beside(weights)


def folders(weights: Path, digest: str) -> list[Path]:
    """Where a generator's directions may be."""
    return [beside(weights), user_folder(digest)]


def beside(weights: Path) -> Path:
    """The folder of directions next to a generator's file."""
    return weights.with_name(f"{weights.stem}.directions")


def user_folder(digest: str) -> Path:
    """The folder of a generator's directions among the user's own data."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "hfinv" / "directions" / digest[:16]


def known(
    generator: Generator, weights: Path, digest: str, given: Sequence[Path] = ()
) -> Directions:
    """All directions of a generator: its labelled ones, then the trained ones.

    Args:
        generator: any.
        weights: its file.
        digest: its SHA-256.
        given: more folders of trained ones.

    Raises:
        UsageError: there are none at all, or a given folder has none.
        WeightsError: one of a given folder is another generator's, or damaged.
    """
    mine: dict[str, Trained] = {}
    refused: dict[str, Path] = {}
    for folder in given:
        files = sorted(folder.glob(f"*{SUFFIX}"))
        if not files:
            raise UsageError(f"`{folder}` holds no directions", "name the folder that they are in")
        for path in files:
            trained = load(path)
            if trained.generator != digest:
                raise another(trained.name, path)
            mine.setdefault(trained.name, trained)
    for path in (
        p for folder in folders(weights, digest) for p in sorted(folder.glob(f"*{SUFFIX}"))
    ):
        trained = load(path)
        if trained.generator == digest:
            mine.setdefault(trained.name, trained)
        else:
            refused[trained.name] = path
    labelled = directions(generator) if generator.card.factors or not mine else None
    return joined(labelled, mine.values(), {n: p for n, p in refused.items() if n not in mine})


def joined(
    labelled: Directions | None, trained: Iterable[Trained], refused: dict[str, Path]
) -> Directions:
    """Labelled and trained directions as one; a labelled one keeps its name before a trained one."""
    own = set(labelled.names) if labelled else set()
    more = [t for t in trained if t.name not in own]
    vectors = [t.vector.float() for t in more]
    ranges = torch.tensor([-REACH, REACH]).repeat(len(more), 1)
    if labelled is not None:
        vectors = [*labelled.vectors.cpu().float(), *vectors]
        ranges = torch.cat([labelled.ranges.cpu(), ranges])
    return Directions(
        names=(*(labelled.names if labelled else ()), *(t.name for t in more)),
        meanings=(*(labelled.meanings if labelled else ()), *(t.meaning for t in more)),
        vectors=torch.stack(vectors),
        ranges=ranges,
        explained=labelled.explained if labelled else 0.0,
        refused=tuple((name, str(path)) for name, path in refused.items()),
        bent=labelled.bent if labelled else None,
        labelled=labelled.labelled if labelled else 0,
    )


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
