"""State dicts of other programs: `.pt` archives and foreign safetensors, with their arguments as JSON beside them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from hfinv.errors import WeightsError
from hfinv.generators.official import IGNORED, UNKNOWN_SIZE, Found, found_in
from hfinv.generators.stored import STORAGES, Source, StoredTensor, ZipStorage
from hfinv.generators.unpickle import read_pickle, storage_type

HEAD = 9
"""Bytes that tell a file's format."""
LARGEST_INDEX = 64_000_000
"""Bytes of the pickle in a `.pt` file, which holds no numbers."""
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
    try:
        archive = zipfile.ZipFile(source.file)
        index = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(index) != 1:
            raise source.damaged("it is an archive, but not one of torch")
        info, folder = archive.getinfo(index[0]), index[0].removesuffix("data.pkl")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > LARGEST_INDEX:
            raise source.refuse("its index is compressed or too large")
        data = archive.read(info)
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise source.refuse("its numbers have the other byte order")
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise source.damaged(str(error) or "it is no archive") from error

    def kept(told: Any) -> ZipStorage:
        kind, numel = storage_type(told, source)
        return ZipStorage(archive, f"{folder}data/{told[2]}", STORAGES[kind], numel, source)

    root = read_pickle(Source(BytesIO(data), len(data), source.name), persistent=kept)
    state = _state_dict(root)
    return found_in(root, source) if state is None else described(state, path)


def _state_dict(root: Any) -> dict[str, StoredTensor] | None:
    for held in (root, *(root.get(key) for key in WRAPPERS if type(root) is dict)):
        if type(held) is dict and held:
            names = all(type(name) is str for name in held)
            if names and all(isinstance(value, StoredTensor) for value in held.values()):
                return held
    return None


def _in_safetensors(path: Path) -> Found:
    with safe_open(path, "pt") as file:
        return described({name: file.get_tensor(name) for name in file.keys()}, path)


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
        told = json.loads(beside.read_text(encoding="utf-8"))
        arguments = dict(told["init_kwargs"])
        arguments["rendering_kwargs"] = dict(arguments["rendering_kwargs"])
        axes = told.get("plane_axes")
        return Found(
            {name: tensor for name, tensor in state.items() if name not in IGNORED},
            arguments,
            int(told.get("neural_rendering_resolution", UNKNOWN_SIZE)),
            None if axes is None else torch.tensor(axes),
            bool(told.get("crop", True)),
        )
    except OSError as error:
        raise WeightsError(
            f"`{path}` holds tensors without a word on their generator, and there is no `{beside.name}` beside it",
            ARGUMENTS_HINT,
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"`{beside}` does not describe a generator: {error!r}", ARGUMENTS_HINT
        ) from error
