"""Encoders as files: safetensors with a card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hfinv.encoders.network import Encoder, EncoderCard
from hfinv.errors import WeightsError
from hfinv.generators import ASSETS

FORMAT = "hfinv encoder 1"
"""Marks our files; the number grows when older code could not read them."""
ENTRY = "hfinv"
"""The one metadata entry, JSON of format and card."""
BUNDLED = ASSETS / "encoder.safetensors"
"""The encoder that comes with hfinv."""


def save_encoder(encoder: Encoder, path: Path) -> Path:
    """Write card and weights, in half precision; written aside, then renamed."""
    state = {k: v.detach().cpu().contiguous().half() for k, v in encoder.state_dict().items()}
    metadata = {ENTRY: json.dumps({"format": FORMAT, "card": asdict(encoder.card)})}
    aside = path.with_name(path.name + ".part")
    try:
        save_file(state, aside, metadata)
        aside.replace(path)
    except (OSError, SafetensorError) as error:
        aside.unlink(missing_ok=True)
        raise WeightsError(
            f"cannot write `{path}`: {error}", "check the disk and the folder"
        ) from error
    return path


def load_encoder(path: Path = BUNDLED, device: torch.device | str = "cpu") -> Encoder:
    """The encoder of a file that `save_encoder` wrote: float32, in evaluation mode, weights frozen.

    Raises:
        WeightsError: the file is missing, of another kind, or does not fit its own card.
    """
    if not path.is_file():
        raise WeightsError(f"no encoder at `{path}`", "install hfinv again, or check the path")
    try:
        with safe_open(path, "pt") as file:
            card = _card(file.metadata() or {}, path)
            state = {name: file.get_tensor(name).float() for name in file.keys()}
        encoder = Encoder(card)
        encoder.load_state_dict(state)
    except (SafetensorError, OSError, RuntimeError, TypeError, ValueError, KeyError) as error:
        raise WeightsError(
            f"`{path}` holds no usable encoder: {str(error).splitlines()[0]}",
            "it is damaged or of another version of hfinv; make or download it again",
        ) from error
    return encoder.to(device).eval().requires_grad_(False)


def _card(metadata: dict[str, str], path: Path) -> EncoderCard:
    entry = json.loads(metadata.get(ENTRY, "{}"))
    if entry.get("format") != FORMAT:
        raise WeightsError(
            f"`{path}` is not an encoder of hfinv: its format is {entry.get('format')!r}, expected {FORMAT!r}",
            "give a file that `hfinv train encoder` wrote",
        )
    values = entry["card"]
    lists = {name: tuple(values[name]) for name in ("factors", "widths")}
    return EncoderCard(**values | lists)
