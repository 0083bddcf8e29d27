"""Generators as files, read and never run: our safetensors with a card, and the official EG3D's and PanoHead's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hfinv.errors import WeightsError
from hfinv.generators import family
from hfinv.generators.archive import HEAD, arguments_path, kind_of, read_official
from hfinv.generators.base import Card, Factor, Generator
from hfinv.generators.official import card_of
from hfinv.generators.stored import StoredTensor, value

FORMAT = "hfinv generator 1"
"""Marks our files; the number grows when older code could not read them."""
ENTRY = "hfinv"
"""The one metadata entry, JSON of format and card: safetensors writes several in random order, and the same
generator must give the same bytes."""
NAMED = 3
"""How many tensor names an error lists."""


def save(generator: Generator, path: Path, half: bool = True) -> None:
    """Write a generator's card and weights. Written aside, then renamed.

    Args:
        generator: any; its `state_dict` is saved whole.
        path: of the file, `.safetensors`.
        half: store float32 tensors as float16, at half the size, except those beyond its range.
    """
    state = {name: _stored(tensor, half) for name, tensor in generator.state_dict().items()}
    metadata = {ENTRY: json.dumps({"format": FORMAT, "card": asdict(generator.card)})}
    aside = path.with_name(path.name + ".part")
    try:
        save_file(state, aside, metadata)
        aside.replace(path)
    except (OSError, SafetensorError) as error:
        aside.unlink(missing_ok=True)
        raise WeightsError(
            f"cannot write `{path}`: {error}", "check the disk and the folder"
        ) from error


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not half or tensor.dtype != torch.float32:
        return tensor.clone()
    small = tensor.half()
    return small if small.isfinite().all() else tensor.clone()


def load(path: Path) -> Generator:
    """The generator of a file: on the CPU, float32, in evaluation mode, weights frozen.

    Args:
        path: what `save` wrote; an official pickle; or a state dict as `.pt` or `.safetensors`, whose arguments stand
            as JSON beside it (see `archive.described`).

    Raises:
        WeightsError: the file is missing, refused, of another kind, or does not fit its own card.
    """
    if is_official(path):
        return _load_official(path)
    card, state = _read(path)
    generator = _built(card, path)
    _fit(generator, state, path)
    return generator.eval().requires_grad_(False)


def _load_official(path: Path) -> Generator:
    """Each tensor goes from the file to its place in the generator; nothing else of the file is read."""
    with read_official(path) as found:
        card = card_of(found, path.stem)
        with torch.device("meta"):
            generator = _built(card, path)
        _check_fit(generator, found.tensors, path)
        state = {name: value(tensor).float() for name, tensor in found.tensors.items()}
    generator.load_state_dict(state, assign=True)
    generator.to(memory_format=torch.channels_last)
    return generator.eval().requires_grad_(False)


def _built(card: Card, path: Path) -> Generator:
    try:
        return family(card.family)(card)
    except (TypeError, KeyError, ValueError) as error:
        raise WeightsError(
            f"the card of `{path}` does not describe a generator of family {card.family!r}: {error}",
            "it was made by another version of hfinv; make or download it again",
        ) from error


def is_official(path: Path) -> bool:
    """Whether a file is a pickle, a torch archive, or a safetensors file that is not ours but has its arguments beside it.

    Raises:
        WeightsError: there is no such file.
    """
    try:
        with open(path, "rb") as file:
            kind = kind_of(file.read(HEAD))
    except OSError as error:
        raise _missing(path) from error
    if kind != "safetensors":
        return True
    return arguments_path(path).is_file() and ENTRY not in (_opened(path).metadata() or {})


def read_card(path: Path) -> Card:
    """The card alone; the weights stay on disk. Fails as `load`."""
    if is_official(path):
        with read_official(path) as found:
            return card_of(found, path.stem)
    with _opened(path) as file:
        return _card(file.metadata(), path)


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, 64 hexadecimal digits."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _missing(path) from error


def _read(path: Path) -> tuple[Card, dict[str, Tensor]]:
    with _opened(path) as file:
        card = _card(file.metadata(), path)
        return card, {name: file.get_tensor(name) for name in file.keys()}


def _opened(path: Path) -> safe_open:
    if not Path(path).is_file():
        raise _missing(path)
    try:
        return safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"`{path}` is not a safetensors file, or it is cut off",
            "give a `.safetensors` file that hfinv wrote; if it was downloaded, download it again",
        ) from error


def _missing(path: Path) -> WeightsError:
    return WeightsError(f"no weights at `{path}`", "check the path, or name a bundled generator")


def _card(metadata: dict[str, str] | None, path: Path) -> Card:
    try:
        entry = json.loads((metadata or {}).get(ENTRY, "{}"))
        found = entry.get("format")
        if found == FORMAT:
            values = entry["card"]
            factors = tuple(Factor(**factor) for factor in values["factors"])
            points = {key: tuple(values[key]) for key in ("pivot", "offset") if key in values}
            return Card(**values | points | {"factors": factors})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"the card of `{path}` cannot be read: {error}", "make or download the file again"
        ) from error
    raise WeightsError(
        f"`{path}` is not a generator of hfinv: its format is {found!r}, expected {FORMAT!r}",
        "give a file that `hfinv train generator` or `checkpoint.save` wrote",
    )


def _fit(generator: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Copy the weights into the generator, if they are exactly its own."""
    _check_fit(generator, state, path)
    generator.load_state_dict(state)


def _check_fit(generator: nn.Module, state: dict[str, Tensor | StoredTensor], path: Path) -> None:
    """Refuse weights that are not exactly the generator's own."""
    own = generator.state_dict()
    missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    misshaped = [
        f"{name} is {list(state[name].shape)}, expected {list(own[name].shape)}"
        for name in own.keys() & state.keys()
        if state[name].shape != own[name].shape
    ]
    for what, names in (("lacks", missing), ("has unknown", unknown), ("does not fit:", misshaped)):
        if names:
            listed = ", ".join(sorted(names)[:NAMED]) + (", ..." if len(names) > NAMED else "")
            raise WeightsError(
                f"`{path}` {what} {listed} ({len(names)} of {len(own)} tensors)",
                "the file is damaged or of another version of hfinv; make or download it again",
            )
