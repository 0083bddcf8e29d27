"""State dicts of other programs: `.pt` archives and foreign safetensors, with their arguments as JSON beside them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hfinv.errors import WeightsError
from hfinv.generators.official import IGNORED, UNKNOWN_SIZE, Found, check_tensors, found_in, plain
from hfinv.generators.stored import (
    BROKEN,
    STORAGES,
    Source,
    StoredTensor,
    ZipStorage,
    entry_of,
    printable,
)
from hfinv.generators.unpickle import read_pickle, storage_type

HEAD = 9
"""Bytes that tell a file's format."""
LARGEST_INDEX = 16_000_000
"""Bytes of the pickle in a `.pt` file, which holds no numbers."""
LARGEST_LISTING = 2_000_000
"""Bytes that an archive may take to list its parts; a generator's takes about 30 thousand."""
LARGEST_HEADER = 1_000_000
"""Bytes of a safetensors file's header; the bundled generator's takes about 50 thousand."""
LARGEST_ARGUMENTS = 1_000_000
"""Bytes of the JSON beside a state dict."""
WRAPPERS = ("state_dict", "model_state_dict", "params", "g_ema")
"""Where programs put a state dict within a dictionary."""
ARGUMENTS_HINT = (
    'write {"init_kwargs": {...}, "neural_rendering_resolution": 64} of the official constructor'
)


def kind_of(head: bytes) -> str:
    """ "pickle", "archive", or "safetensors" for anything else, by a file's first `HEAD` bytes.

    A safetensors file begins with a length, whose bytes may be those that other formats begin with; then comes a brace.
    """
    if head[8:9] == b"{" and head[5:8] == b"\0\0\0":
        return "safetensors"
    if head[:2] == b"PK":
        return "archive"
    return "pickle" if head[:1] == b"\x80" else "safetensors"


@contextmanager
def read_official(path: Path) -> Iterator[Found]:
    """The generator of a pickle, of a `.pt` archive, or of a foreign safetensors file.

    Nothing of the file is run. The tensors of a pickle or archive are left in it, and can be read as long as the
    block lasts.

    Raises:
        WeightsError: the file is refused, damaged, or holds no generator that we know.
    """
    with open(path, "rb") as file:
        source = Source(file, path.stat().st_size, str(path))
        kind = kind_of(file.read(HEAD))
        if kind == "archive":
            yield _in_archive(source, path)
        elif kind == "pickle":
            root = read_pickle(source)
            if type(root) is int:
                raise WeightsError(
                    f"`{path}` was written by `torch.save` of before 2020",
                    "load it with torch and save it again, as `.pt` or as `.safetensors`",
                )
            yield found_in(root, source)
        else:
            yield _in_safetensors(path)


def _in_archive(source: Source, path: Path) -> Found:
    archive = _listed(source)
    index = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(index) != 1:
        raise source.damaged("it is an archive, but not one of torch")
    folder = index[0].removesuffix("data.pkl")
    data = entry_of(archive, index[0], LARGEST_INDEX, source, exactly=False)
    order = f"{folder}byteorder"
    if order in archive.NameToInfo and entry_of(archive, order, 6, source, False) != b"little":
        raise source.refuse("its numbers have the other byte order")

    def kept(told: Any) -> ZipStorage:
        kind, numel = storage_type(told, source)
        return ZipStorage(archive, f"{folder}data/{told[2]}", STORAGES[kind], numel, source)

    root = read_pickle(Source(BytesIO(data), len(data), source.name), persistent=kept)
    state = _state_dict(root)
    if state is None:
        return found_in(root, source)
    check_tensors(state, source)
    return described(state, path)


class _Guarded:
    """A file whose reads are short for as long as `most` says so.

    Args:
        file: any.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.most: int | None = LARGEST_LISTING

    def read(self, count: int = -1) -> bytes:
        """As the file's."""
        if self.most is None:
            return self.file.read(count)
        found = self.file.read(count if 0 <= count <= self.most else self.most + 1)
        if len(found) > self.most:
            raise ValueError("its listing is too long")
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _listed(source: Source) -> zipfile.ZipFile:
    """An archive, opened. Python reads its listing whole, however long it is said to be."""
    guarded = _Guarded(source.file)
    try:
        archive = zipfile.ZipFile(guarded)
    except BROKEN as error:
        raise source.damaged(str(error) or "it is no archive") from error
    guarded.most = None
    return archive


def _state_dict(root: Any) -> dict[str, StoredTensor] | None:
    for held in (root, *(root.get(key) for key in WRAPPERS if type(root) is dict)):
        if type(held) is dict and held:
            names = all(type(name) is str for name in held)
            if names and all(isinstance(value, StoredTensor) for value in held.values()):
                return held
    return None


def _in_safetensors(path: Path) -> Found:
    return described(tensors_of(path), path)


def open_safetensors(path: Path) -> safe_open:
    """A safetensors file, opened.

    Raises:
        WeightsError: it is none, or its header is longer than any generator's.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length <= LARGEST_HEADER:
            return safe_open(path, "pt")
        reason: Exception | None = None
    except (SafetensorError, OSError) as error:
        reason = error
    raise WeightsError(
        f"`{path}` is not a safetensors file, or it is cut off",
        "give a `.safetensors` file that hfinv wrote; if it was downloaded, download it again",
    ) from reason


def tensors_of(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, by name.

    Raises:
        WeightsError: as `open_safetensors`, or one of them is of a type that torch has not.
    """
    try:
        with open_safetensors(path) as file:
            return {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError, AttributeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"the tensors of `{path}` cannot be read: {printable(str(error))}",
            "make or download the file again",
        ) from error


def arguments_path(path: Path) -> Path:
    """Where the arguments of a state dict are looked for."""
    return path.with_suffix(".json")


def described(state: dict[str, Any], path: Path) -> Found:
    """A state dict with what the JSON file beside it says.

    The JSON object has `init_kwargs`, the official constructor's, with the live `rendering_kwargs`; it may have
    `neural_rendering_resolution`, `plane_axes` (three 3 x 3 matrices) and `crop` (whether a PanoHead was trained
    with its edges cut off).

    Raises:
        WeightsError: there is no such file, or it says something else.
    """
    beside = arguments_path(path)
    try:
        told = _told(beside)
        arguments = dict(told["init_kwargs"])
        arguments["rendering_kwargs"] = dict(arguments["rendering_kwargs"])
        axes = told.get("plane_axes")
        return Found(
            {name: tensor for name, tensor in state.items() if name not in IGNORED},
            arguments,
            told.get("neural_rendering_resolution", UNKNOWN_SIZE),
            None if axes is None else torch.tensor(axes, dtype=torch.float64),
            bool(told.get("crop", True)),
        )
    except OSError as error:
        raise WeightsError(
            f"`{path}` holds tensors without a word on their generator, and there is no `{beside.name}` beside it",
            ARGUMENTS_HINT,
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError) as error:
        raise WeightsError(
            f"`{beside}` does not describe a generator: {printable(repr(error))}", ARGUMENTS_HINT
        ) from error


def _told(beside: Path) -> dict[str, Any]:
    """What a JSON file says, if it is a file of a sensible size.

    Raises:
        OSError: there is none.
        ValueError: it is too large, or no JSON object.
        RecursionError: it nests too deeply.
    """
    if not beside.is_file():  # a pipe would wait, and a device never end
        raise FileNotFoundError(beside)
    with open(beside, "rb") as file:
        text = file.read(LARGEST_ARGUMENTS + 1)
    if len(text) > LARGEST_ARGUMENTS:
        raise ValueError(f"it has more than {LARGEST_ARGUMENTS} bytes")
    told = json.loads(text)
    if type(told) is not dict:
        raise ValueError("it is no object")
    return plain(told, Source(BytesIO(), 0, str(beside)))
