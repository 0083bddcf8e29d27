"""Tensors that still lie in a file: where, in what type, and how to fetch one.

Two layouts, both of torch: a storage inside a pickle is a small file of its own (the layout before torch 1.6), and a
storage of a `.pt` file is an entry of a zip archive.
"""

from __future__ import annotations

import math
import struct
import zipfile
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

import torch
from torch import Tensor

from hfinv.errors import WeightsError

STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "DoubleStorage": torch.float64,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""The types of `torch` that a storage may have."""
MOST_AXES = 8
"""More axes than any tensor of a generator has."""
COUNT = struct.Struct("<q")
"""The number of items that stands before a storage's data."""


@dataclass(frozen=True)
class Source:
    """A file that is open for reading, and what to call it in an error."""

    file: BinaryIO
    size: int
    name: str

    def refuse(self, reason: str) -> WeightsError:
        """The error that says why this file is not read."""
        return WeightsError(
            f"`{self.name}` is refused: {reason}",
            "only take weights from their authors; `hfinv weights list` names the files that are known",
        )

    def damaged(self, reason: str) -> WeightsError:
        """The error for a file that is not whole."""
        return WeightsError(
            f"`{self.name}` is damaged or cut off: {reason}", "copy or download it again"
        )


@dataclass(frozen=True)
class Blob:
    """Bytes of a file that nobody has read yet."""

    source: Source
    start: int
    length: int
    text: bool = False
    """The bytes were written as text: UTF-8 of one character a byte, as pickles of protocol 2 do."""

    def read(self) -> bytes:
        """The bytes."""
        self.source.file.seek(self.start)
        raw = self.source.file.read(self.length)
        if len(raw) < self.length:
            raise self.source.damaged("a tensor ends too early")
        if not self.text:
            return raw
        try:
            return raw.decode("utf-8", "surrogatepass").encode("latin-1")
        except UnicodeError as error:
            raise self.source.damaged("a tensor is not written as bytes") from error

    def opened(self) -> Blob:
        """The same bytes as they are, in memory if they were written as text."""
        return blob_of(self.read(), self.source.name) if self.text else self


def blob_of(data: bytes, name: str) -> Blob:
    """Bytes in memory as a blob."""
    return Blob(Source(BytesIO(data), len(data), name), 0, len(data))


@dataclass(frozen=True)
class Storage:
    """A row of numbers in a file."""

    dtype: torch.dtype
    numel: int
    blob: Blob
    """Nothing but the data."""

    def read(self) -> Tensor:
        """[numel]."""
        if not self.numel:
            return torch.empty(0, dtype=self.dtype)
        return torch.frombuffer(bytearray(self.blob.read()), dtype=self.dtype)


@dataclass
class PackedStorage:
    """A storage as a file within the file, whose header is read when it is asked for."""

    blob: Blob
    _unpacked: Storage | None = field(default=None, repr=False)

    def unpacked(self) -> Storage:
        """The storage behind the header.

        Raises:
            WeightsError: the header holds anything but a header.
        """
        if self._unpacked is None:
            from hfinv.generators.unpickle import storage_header

            blob = self.blob.opened()
            name, numel, start = storage_header(blob)
            self._unpacked = _data(name, numel, blob, start)
            if self.blob.text:  # the copy in memory goes; its place is known
                self._unpacked, kept = None, self._unpacked
                return kept
        return self._unpacked


def _data(name: str, numel: int, blob: Blob, start: int) -> Storage:
    """What follows a header: the count once more, then the data, and nothing else."""
    source, dtype = blob.source, STORAGES[name]
    blob.source.file.seek(start)
    head = blob.source.file.read(COUNT.size)
    end = start + COUNT.size + numel * dtype.itemsize
    if len(head) < COUNT.size or COUNT.unpack(head)[0] != numel or end != blob.start + blob.length:
        raise source.damaged("a tensor does not have the size that it says")
    return Storage(dtype, numel, Blob(source, start + COUNT.size, numel * dtype.itemsize))


@dataclass(frozen=True)
class ZipStorage:
    """A storage of a `.pt` file."""

    archive: zipfile.ZipFile
    entry: str
    dtype: torch.dtype
    numel: int
    source: Source

    def unpacked(self) -> Storage:
        """The storage, read."""
        try:
            info = self.archive.getinfo(self.entry)
            stored = info.compress_type == zipfile.ZIP_STORED
            if not stored or info.file_size != self.numel * self.dtype.itemsize:
                raise self.source.damaged("a tensor does not have the size that it says")
            data = self.archive.read(info)
        except (KeyError, zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
            raise self.source.damaged(f"the tensor `{self.entry}` cannot be read") from error
        return Storage(self.dtype, self.numel, blob_of(data, self.source.name))


@dataclass(frozen=True)
class StoredTensor:
    """A view of a storage."""

    storage: PackedStorage | ZipStorage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def check(self, numel: int, source: Source) -> None:
        """Refuse a view that reaches beyond its storage, or that is larger than it."""
        reach = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride)) + 1
        size = math.prod(self.shape)
        if size > numel or (size and reach > numel):
            raise source.damaged("a tensor reaches beyond its numbers")

    def read(self) -> Tensor:
        """The tensor, in a memory of its own."""
        storage = self.storage.unpacked()
        self.check(storage.numel, storage.blob.source)
        flat = storage.read()
        whole = flat.as_strided(self.shape, self.stride, self.offset)
        return whole if whole.is_contiguous() and whole.numel() == flat.numel() else whole.clone()


def tensor_of(args: tuple) -> StoredTensor:
    """(storage, offset, shape, stride, ...) as torch pickles a tensor.

    Raises:
        ValueError: these are no arguments of a tensor.
    """
    storage, offset, shape, stride = args[:4]
    numbers = (offset, *shape, *stride)
    fits = isinstance(storage, (PackedStorage, ZipStorage)) and len(shape) == len(stride)
    if not fits or len(shape) > MOST_AXES or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError("something that is no tensor is given as one")
    return StoredTensor(storage, offset, tuple(shape), tuple(stride))


def value(tensor: StoredTensor | Tensor) -> Tensor:
    """A tensor that may still lie in its file."""
    return tensor.read() if isinstance(tensor, StoredTensor) else tensor
