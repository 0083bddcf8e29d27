"""Tensors that still lie in a file: where, in what type, and how to fetch one.

Two layouts, both of torch: a storage inside a pickle is a small file of its own (the layout before torch 1.6), and a
storage of a `.pt` file is an entry of a zip archive.
"""

from __future__ import annotations

import codecs
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
LONGEST_SAYING = 300
"""Characters of a file's own words within an error."""


@dataclass(frozen=True)
class Source:
    """A file that is open for reading, and what to call it in an error."""

    file: BinaryIO
    size: int
    name: str

    def refuse(self, reason: str) -> WeightsError:
        """The error that says why this file is not read."""
        return WeightsError(
            f"`{self.name}` is refused: {printable(reason)}",
            "only take weights from their authors; `hfinv weights list` names the files that are known",
        )

    def damaged(self, reason: str) -> WeightsError:
        """The error for a file that is not whole."""
        return WeightsError(
            f"`{self.name}` is damaged or cut off: {printable(reason)}", "copy or download it again"
        )


def printable(text: str, most: int = LONGEST_SAYING) -> str:
    """What a file says, without what would steer a terminal, and not more than a sentence of it."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:most])
    return shown + "..." if len(text) > most else shown


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

    def read_into(self, memory: memoryview) -> None:
        """The bytes, to where they are wanted; not for those written as text."""
        self.source.file.seek(self.start)
        if self.source.file.readinto(memory) != self.length:
            raise self.source.damaged("a tensor ends too early")

    def opened(self) -> Blob:
        """The same bytes as they are, in memory if they were written as text."""
        return blob_of(self.read(), self.source.name) if self.text else self

    def head(self, length: int) -> Blob:
        """The first bytes, up to so many, in memory; of those written as text, which may be shorter than they look."""
        self.source.file.seek(self.start)
        raw = self.source.file.read(min(self.length, 2 * length))  # a byte takes up to two in UTF-8
        try:
            words = codecs.getincrementaldecoder("utf-8")("surrogatepass").decode(raw)
            return blob_of(words.encode("latin-1")[:length], self.source.name)
        except UnicodeError as error:
            raise self.source.damaged("a tensor is not written as bytes") from error


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

    def read(self, first: int, count: int) -> Tensor:
        """[count], from the number `first` on, both within the row."""
        # Straight to torch's own memory: no second copy, and aligned, on which the last bit of a result depends.
        numbers = torch.empty(count, dtype=self.dtype)
        size = self.dtype.itemsize
        part = Blob(self.blob.source, self.blob.start + first * size, count * size)
        if count:
            part.read_into(memoryview(numbers.view(torch.uint8).numpy()))
        return numbers


@dataclass
class PackedStorage:
    """A storage as a file within the file, whose header is read when it is asked for."""

    blob: Blob
    _unpacked: Storage | None = field(default=None, repr=False)

    def counted(self) -> tuple[torch.dtype, int]:
        """The type and the number of its numbers, as its header tells; no more of it is read.

        Raises:
            WeightsError: the header holds anything but a header.
        """
        if not self.blob.text:
            storage = self.unpacked()
            return storage.dtype, storage.numel
        from hfinv.generators.unpickle import LONGEST_HEADER, storage_header

        name, numel, _ = storage_header(self.blob.head(LONGEST_HEADER))
        return STORAGES[name], numel

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

    def counted(self) -> tuple[torch.dtype, int]:
        """The type and the number of its numbers."""
        return self.dtype, self.numel

    def unpacked(self) -> Storage:
        """The storage, read.

        Raises:
            WeightsError: there is none, or it has another size.
        """
        data = entry_of(self.archive, self.entry, self.numel * self.dtype.itemsize, self.source)
        return Storage(self.dtype, self.numel, blob_of(data, self.source.name))


def entry_of(
    archive: zipfile.ZipFile, entry: str, most: int, source: Source, exactly: bool = True
) -> bytes:
    """The bytes of an archive's entry, which must be as it lies there: packed ones grow beyond any size.

    Args:
        archive: of the entry.
        entry: its name.
        most: how many bytes it has.
        source: of the archive.
        exactly: whether it has neither more nor fewer.

    Raises:
        WeightsError: there is no such entry, or not one of that size.
    """
    try:
        info = archive.getinfo(entry)
        sizes = (info.file_size, info.compress_size)
        if info.compress_type != zipfile.ZIP_STORED or sizes[0] != sizes[1]:
            raise source.refuse(f"its part `{entry}` is compressed")
        if sizes[0] > most or (exactly and sizes[0] != most):
            raise source.damaged(f"its part `{entry}` does not have the size that it says")
        return archive.read(info)
    except (*BROKEN, KeyError) as error:
        raise source.damaged(f"its part `{entry}` cannot be read") from error


BROKEN = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,  # one that needs a password
    struct.error,
    OverflowError,
)
"""What Python's reader raises for an archive that is none."""


@dataclass(frozen=True)
class StoredTensor:
    """A view of a storage."""

    storage: PackedStorage | ZipStorage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def span(self) -> int:
        """From its first number in the storage to its last, how many there are."""
        if 0 in self.shape:
            return 0
        return sum((n - 1) * s for n, s in zip(self.shape, self.stride)) + 1

    def check(self, source: Source) -> int:
        """How many bytes it takes.

        Raises:
            WeightsError: it reaches beyond its storage, or is larger than it.
        """
        dtype, numel = self.storage.counted()
        size, span = math.prod(self.shape), self.span()
        if size > numel or (span and self.offset + span > numel):
            raise source.damaged("a tensor reaches beyond its numbers")
        return max(size, span) * dtype.itemsize

    def read(self) -> Tensor:
        """The tensor, in a memory of its own."""
        storage = self.storage.unpacked()
        self.check(storage.blob.source)
        flat = storage.read(self.offset if self.span() else 0, self.span())
        whole = flat.as_strided(self.shape, self.stride, 0)
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
