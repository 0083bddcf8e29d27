"""A stage's result on disk and back: tensors in safetensors, everything else in JSON.

The same result gives the same bytes: keys are sorted, and nothing tells when it was written.
"""

from __future__ import annotations

import hashlib
import json
import math
import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union

import torch
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from torch import Tensor

from hfinv.errors import UsageError

Result = TypeVar("Result")
NOTE = "stage.json"
TENSORS = "tensors.safetensors"


def digest(*parts: Any) -> str:
    """Hexadecimal SHA-256 of plain values, dataclasses and dicts of them.

    A path counts by the bytes of its file, so that another file of the same name is another value.
    """
    text = json.dumps(_canonical(parts), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write(result: Any, folder: Path, note: dict[str, Any]) -> None:
    """Save a result.

    Args:
        result: a dataclass of tensors, numbers, strings, booleans, None, tuples of these but
            tensors, dicts of tensors, and dataclasses of the same.
        folder: exists; gets `tensors.safetensors`, then `stage.json`.
        note: plain values that go into `stage.json` beside the result's own.

    Raises:
        TypeError: the result holds something else; the message names the field.
    """
    tensors: dict[str, Tensor] = {}
    values: dict[str, Any] = {}
    _flatten(result, "", tensors, values)
    data = bytes_of({name: tensors[name] for name in sorted(tensors)})
    note = {**note, "sha256": hashlib.sha256(data).hexdigest(), "values": values}
    (folder / TENSORS).write_bytes(data)
    write_json(folder / NOTE, note)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write an object for people and programs, without renaming."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_note(folder: Path) -> dict[str, Any] | None:
    """What `stage.json` says; None if there is none, or only a part of one."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def read(folder: Path, kind: type[Result], device: torch.device | str = "cpu") -> Result:
    """A saved result.

    Args:
        folder: where `write` put it.
        kind: the result's dataclass.
        device: where the tensors go.

    Raises:
        ValueError: the files are damaged, or hold another kind of result.
    """
    note = read_note(folder)
    try:
        data = (folder / TENSORS).read_bytes()
        if note is None or hashlib.sha256(data).hexdigest() != note["sha256"]:
            raise ValueError("the tensors are not those that were saved")
        tensors = {name: tensor.to(device) for name, tensor in tensors_of(data).items()}
        return _unflatten(kind, "", tensors, note["values"])
    except (KeyError, TypeError, FileNotFoundError) as error:
        raise ValueError(f"`{folder}` holds no {kind.__name__} ({error})") from error


def finite(value: float) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None


def _flatten(value: Any, name: str, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    elif is_dataclass(value):
        for field in fields(value):
            inner = f"{name}.{field.name}" if name else field.name
            _flatten(getattr(value, field.name), inner, tensors, values)
    elif isinstance(value, dict) and all(isinstance(item, Tensor) for item in value.values()):
        for key, item in value.items():
            _flatten(item, f"{name}.{key}", tensors, values)
    else:
        values[name] = _plain(value, name)


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, tuple):
        return [_plain(item, name) for item in value]
    raise TypeError(
        f"`{name or 'the result'}` is a {type(value).__name__}, which a run cannot save"
    )


def _unflatten(kind: Any, name: str, tensors: dict[str, Tensor], values: dict[str, Any]) -> Any:
    if name in values and values[name] is None:
        return None
    if typing.get_origin(kind) in (Union, types.UnionType):
        kind = next(member for member in typing.get_args(kind) if member is not types.NoneType)
    if is_dataclass(kind):
        kinds = typing.get_type_hints(kind)
        inner = {
            field.name: f"{name}.{field.name}" if name else field.name for field in fields(kind)
        }
        return kind(
            **{key: _unflatten(kinds[key], path, tensors, values) for key, path in inner.items()}
        )
    if kind is Tensor:
        return tensors[name]
    if typing.get_origin(kind) is dict:
        prefix = name + "."
        return {
            key.removeprefix(prefix): item
            for key, item in tensors.items()
            if key.startswith(prefix)
        }
    return _of_kind(values[name], kind)


def _of_kind(value: Any, kind: Any) -> Any:
    if typing.get_origin(kind) is tuple:
        kinds = typing.get_args(kind)
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        return tuple(_of_kind(item, inner) for item, inner in zip(value, kinds, strict=True))
    return float(value) if kind is float else value


def _canonical(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _canonical(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Path):
        try:
            return hashlib.sha256(value.read_bytes()).hexdigest()
        except OSError as error:
            raise UsageError(
                f"`{value}` cannot be read ({error.strerror})", "check the path"
            ) from error
    if isinstance(value, (tuple, list)):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be part of a key")
