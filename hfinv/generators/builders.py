"""What a pickle of weights may name, and what is built instead of importing it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hfinv.generators.stored import (
    STORAGES,
    Blob,
    PackedStorage,
    StoredTensor,
    tensor_of,
)

LARGEST_KEY = 2**31
"""Integers beyond it are no keys: Python's tables can be slowed down by choosing them."""


@dataclass(frozen=True)
class Name:
    """What a pickle names to be imported; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class Thing:
    """An object of a class that we do not have: its class's name and what it held."""

    kind: str
    state: dict[Any, Any] = field(default_factory=dict)
    code: Blob | str | None = None
    """Source text of its class, which the file brings along. Never run."""


@dataclass
class NumberType:
    """numpy's dtype of one number, such as f8."""

    code: str
    big_endian: bool = False


def _ordered(*args: Any) -> dict:
    if not args:
        return {}
    (pairs,) = args
    return {key_of(key): value for key, value in pairs}


def key_of(key: Any) -> Any:
    """Keys that cannot be used to exhaust the memory, the time or the C stack."""
    if type(key) is str or (type(key) in (int, bool) and abs(key) < LARGEST_KEY):
        return key
    raise ValueError(f"a table has a key of type {type(key).__name__}")


def _set(*args: Any) -> set:
    return {key_of(key) for key in args[0]} if args else set()


def _encoded(text: Any, encoding: str) -> bytes | Blob:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes are encoded as {encoding!r}")
    if isinstance(text, Blob):
        return Blob(text.source, text.start, text.length, text=True)
    return text.encode("latin-1")


def _storage(data: Blob) -> PackedStorage:
    if not isinstance(data, Blob):
        raise ValueError("a storage is not made of bytes")
    return PackedStorage(data)


def _persistent(meta: dict) -> Thing:
    kind, state = meta["class_name"], meta["state"]
    if meta["type"] != "class" or type(kind) is not str or type(state) is not dict:
        raise ValueError("a persistent object is not as it should be")
    return Thing(kind, state, meta.get("module_src"))


NUMBERS = {
    "b1": "?",
    "i1": "b",
    "u1": "B",
    "i2": "h",
    "u2": "H",
    "i4": "i",
    "u4": "I",
    "i8": "q",
    "u8": "Q",
    "f2": "e",
    "f4": "f",
    "f8": "d",
}
"""numpy's codes of numbers to `struct`'s."""


def _number(dtype: NumberType, data: bytes) -> float | int | bool:
    order = ">" if dtype.big_endian else "<"
    return struct.unpack(order + NUMBERS[dtype.code], data)[0]


def _number_type(code: str, *_: Any) -> NumberType:
    code = code.lstrip("<>|=")
    if code not in NUMBERS:
        raise ValueError(f"numbers of type {code!r} are not read")
    return NumberType(code)


def _first(value: Any, *_: Any) -> Any:
    if not isinstance(value, StoredTensor):
        raise ValueError("a parameter is not a tensor")
    return value


def _size(numbers: Any) -> tuple:
    return tuple(int(n) for n in numbers)


def _nothing() -> bytes:
    return b""


PACKED = ("torch.storage", "_load_from_bytes")
"""Makes a storage of the bytes of its file."""
CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _ordered,
    ("builtins", "set"): _set,
    ("__builtin__", "set"): _set,
    ("builtins", "bytes"): _nothing,
    ("__builtin__", "bytes"): _nothing,
    ("_codecs", "encode"): _encoded,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_tensor"): lambda *args: tensor_of(args),
    ("torch._utils", "_rebuild_tensor_v2"): lambda *args: tensor_of(args),
    PACKED: _storage,
    ("torch", "Size"): _size,
    ("torch", "device"): lambda *_: None,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("numpy", "dtype"): _number_type,
    ("numpy.core.multiarray", "scalar"): _number,
    ("numpy._core.multiarray", "scalar"): _number,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: Thing("ndarray"),
    ("numpy._core.multiarray", "_reconstruct"): lambda *_: Thing("ndarray"),
}
"""What may be called, and what is done instead of calling it."""
MADE = {("collections", "OrderedDict"), ("dnnlib.util", "EasyDict"), ("dnnlib", "EasyDict")}
"""Classes whose empty objects are plain dictionaries."""
KNOWN = (
    {("torch", name) for name in STORAGES}
    | {("torch", str(dtype).removeprefix("torch.")) for dtype in STORAGES.values()}
    | {("numpy", "ndarray"), ("torch.nn.parameter", "Parameter")}
)
"""Names that are only mentioned."""


def is_class(name: Name) -> bool:
    """Whether a name is a class of the generator's code, or a layer of torch; it becomes a `Thing`."""
    first = name.module.split(".")[0]
    ours = first == "training" or first.startswith("_imported_module_")
    return ours or name.module.startswith("torch.nn.modules.")


ALLOWED = set(CALLS) | MADE | KNOWN


def is_allowed(name: Name) -> bool:
    """Whether a pickle may mention a name."""
    plain = name.name.isidentifier()
    return plain and ((name.module, name.name) in ALLOWED or is_class(name))
