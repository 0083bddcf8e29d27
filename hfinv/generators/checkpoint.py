"""Generators as files, read and never run: our safetensors with a card, and the official EG3D's and PanoHead's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from hfinv.errors import WeightsError
from hfinv.generators import family
from hfinv.generators.archive import (
    HEAD,
    arguments_path,
    kind_of,
    open_safetensors,
    read_official,
    tensors_of,
)
from hfinv.generators.base import BACKDROPS, FRAMINGS, Card, Factor, Generator
from hfinv.generators.official import card_of
from hfinv.generators.stored import StoredTensor, printable, value

FORMAT = "hfinv generator 1"
"""Marks our files; the number grows when older code could not read them."""
ENTRY = "hfinv"
"""The one metadata entry, JSON of format and card: safetensors writes several in random order, and the same
generator must give the same bytes."""
NAMED = 3
"""How many tensor names an error lists."""
MOST = {"mapping_layers": 64, "num_ws": 64, "plane_depth": 64, "channel_base": 2**20}
LARGEST_SIZE, LARGEST_NUMBER = 2**13, 1e6
"""More than any card says."""


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
    card, state = read_card(path), tensors_of(path)
    with torch.device("meta"):  # a card may ask for more memory than there is
        _check_fit(_built(card, path), state, path)
    generator = _built(card, path)
    generator.load_state_dict(state)
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
    except (TypeError, LookupError, ValueError, RuntimeError, AttributeError) as error:
        raise WeightsError(
            f"the card of `{path}` does not describe a generator of family {card.family!r}:"
            f" {printable(str(error))}",
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
    if not path.is_file():
        raise _missing(path)
    return arguments_path(path).is_file() and ENTRY not in (open_safetensors(path).metadata() or {})


def read_card(path: Path) -> Card:
    """The card alone; the weights stay on disk. Fails as `load`."""
    if is_official(path):
        with read_official(path) as found:
            return card_of(found, path.stem)
    with open_safetensors(path) as file:
        return _card(file.metadata(), path)


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, 64 hexadecimal digits."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _missing(path) from error


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
            card = Card(**values | points | {"factors": factors})
            check_card(card)
            return card
    except (
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise WeightsError(
            f"the card of `{path}` cannot be read: {printable(str(error))}",
            "make or download the file again",
        ) from error
    raise WeightsError(
        f"`{path}` is not a generator of hfinv: its format is {printable(repr(found))}, expected {FORMAT!r}",
        "give a file that `hfinv train generator` or `hfinv weights convert` wrote, or the arguments of an"
        f" official state dict as `{arguments_path(path).name}` beside it",
    )


def check_card(card: Card) -> None:
    """Refuse a card that describes no generator, before one is built by it.

    Raises:
        ValueError, TypeError, OverflowError: a value is of another kind, or beyond any that a generator has.
        WeightsError: there is no such family.
    """
    sizes = {"image_size": card.image_size, "num_ws": card.num_ws, "w_dim": card.w_dim}
    for name, size in (sizes | _integers(card.arguments)).items():
        most = MOST.get(name.rpartition(" ")[2], LARGEST_SIZE)
        if type(size) is not int or not 0 <= size <= most:
            raise ValueError(f"{name} is {size!r}, expected 0 to {most}")
    family(card.family)
    numbers = (card.box, card.radius, card.focal, card.yaw_range, *card.pivot, *card.offset)
    if len(numbers) != 10 or not all(abs(float(number)) < LARGEST_NUMBER for number in numbers):
        raise ValueError("its box, cameras or pivot are no sensible numbers")
    for name in ("name", "family", "licence", "made", "backdrop", "framing"):
        if type(getattr(card, name)) is not str:
            raise TypeError(f"{name} is no text")
    if card.framing not in FRAMINGS or card.backdrop not in BACKDROPS:
        raise ValueError(f"{card.framing!r} photos before {card.backdrop!r} are not known")


def _integers(arguments: dict) -> dict[str, int]:
    """The whole numbers among arguments, those in lists as well."""
    found: dict[str, int] = {}
    for name, value in arguments.items():
        several = value if isinstance(value, (list, tuple)) else [value]
        found |= {f"{i} of {name}": v for i, v in enumerate(several) if type(v) is int}
    return found


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
            listed = printable(", ".join(sorted(names)[:NAMED]))
            listed += ", ..." if len(names) > NAMED else ""
            raise WeightsError(
                f"`{path}` {what} {listed} ({len(names)} of {len(own)} tensors)",
                "the file is damaged or of another version of hfinv; make or download it again",
            )
