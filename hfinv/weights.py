"""What lies in a file of weights, and the same weights as a file of ours."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hfinv.errors import UsageError
from hfinv.generators import BUNDLED, locate
from hfinv.generators.base import Card
from hfinv.generators.checkpoint import file_hash, is_official, load, read_card, save
from hfinv.generators.official import OFFICIAL
from hfinv.generators.stored import printable


def facts(name_or_path: str | Path) -> dict[str, Any]:
    """The card of a file, with its SHA-256 and size; for JSON.

    Args:
        name_or_path: a bundled generator's name, or any file that `load_generator` reads.

    Raises:
        WeightsError: the file is missing, refused or of another kind.
    """
    path = locate(name_or_path)
    card = read_card(path)
    return {
        "file": path,
        "official": is_official(path),
        "megabytes": path.stat().st_size / 1e6,
        "sha256": file_hash(path),
        **asdict(card),
    }


def as_text(told: dict[str, Any]) -> str:
    """`facts` for a person: a line for each thing."""
    a = told["arguments"]
    kind = "official" if told["official"] else "hfinv's"
    lines = {
        "file": f"{told['file']} ({kind}, {told['megabytes']:.0f} MB)",
        "sha256": told["sha256"],
        "family": told["family"],
        "picture": f"{told['image_size']} px from {a.get('ray_size', '?')} rays a side",
        "latent": f"{told['num_ws']} rows of {told['w_dim']}",
        "box": f"{told['box']:g} world units, cameras {told['radius']:g} from the origin",
        "pivot": " ".join(f"{x:g}" for x in told["pivot"]),
        "focal length": f"{told['focal']:g} image sides",
        "seen from": _seen_from(math.degrees(told["yaw_range"])),
        "photos": f"cropped as {told['framing']}; background: {told['backdrop']}",
    }
    if any(told["offset"]):
        lines["camera offset"] = " ".join(f"{x:+.4f}" for x in told["offset"])
    shown = ("plane_order", "plane_depth", "crop", "superresolution", "near", "far", "samples")
    lines |= {key.replace("_", " "): a[key] for key in shown if key in a}
    flags = ("white_back", "disparity", "clamped", "antialias", "label_scale")
    lines |= {key.replace("_", " "): a[key] for key in flags if key in a}
    lines |= {key: told[key] for key in ("licence", "made") if told[key]}
    lines |= {f"from {key}": text for key, text in told["notes"].items()}
    # What a file says of itself goes to a terminal, which it may want to steer.
    return "\n".join(f"{key:15}  {printable(str(text))}" for key, text in lines.items())


def _seen_from(degrees: float) -> str:
    if degrees >= 180:
        return "all around"
    return f"{degrees:.0f} degrees to either side; beyond is guessed"


def convert(source: str | Path, target: Path, half: bool = False) -> Card:
    """Write any generator as a file of ours, which opens at once and holds nothing else.

    Args:
        source: a bundled generator's name, or any file that `load_generator` reads.
        target: ends in `.safetensors`.
        half: store float16, at half the size; else the renders are identical.

    Raises:
        UsageError: another ending.
        WeightsError: the file is missing, refused or of another kind, or the new one cannot be written.
    """
    if target.suffix != ".safetensors":
        raise UsageError(f"`{target}` does not end in `.safetensors`", "choose such a name")
    path = locate(source)
    generator = load(path)
    notes = {**generator.card.notes, "file": path.name, "sha256": file_hash(path)}
    generator.card = replace(generator.card, notes=notes)
    save(generator, target, half)
    return generator.card


def known() -> list[dict[str, Any]]:
    """Bundled generators, then the official files that are known to fit, with where to get them."""
    rows = [
        {"name": name, "family": name, "shows": "bundled", "where": path}
        for name, path in BUNDLED.items()
    ]
    return rows + [{"name": f"{name}.pkl", **asdict(entry)} for name, entry in OFFICIAL.items()]


def known_text() -> str:
    """`known` for a person."""
    rows = [f"{row['name']:41} {row['family']:9} {row['shows']}" for row in known()]
    pages = dict.fromkeys(entry.where for entry in OFFICIAL.values())
    return "\n".join([*rows, "", "Official files come with licences of their own, from:", *pages])
