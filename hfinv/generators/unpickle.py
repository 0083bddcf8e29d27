"""Read pickles without running them: an interpreter of our own that builds data and refuses everything else by name.

A pickle is a program for a small machine with a stack. Python's own machine imports and calls what the program names.
This one has no import and no call: the few names that weights need stand in a table of harmless builders, classes of the
generator become `Thing`s that only hold their state, and long byte strings stay in the file until somebody asks for them,
so that a discriminator costs nothing but the time to skip it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from hfinv.generators.builders import (
    CALLS,
    MADE,
    PACKED,
    Name,
    NumberType,
    Thing,
    is_allowed,
    is_class,
    key_of,
)
from hfinv.generators.stored import STORAGES, Blob, Source, blob_of

LAZY = 1024
"""Bytes: a longer string stays in the file."""
MOST_STEPS = 400_000
"""Instructions of one pickle; an official checkpoint has about a tenth."""
MOST_BYTES = 16_000_000
"""Bytes of all short strings together."""
LONGEST_NAME = 200
LONGEST_NUMBER = 255
"""Bytes of an integer."""
LONGEST_HEADER = 4096
"""Bytes of a storage's header; torch writes about 350."""
MAGIC = 0x1950A86A20F9469CFC6C
"""Opens a storage, and an old `torch.save` file."""
STORAGE_PROTOCOL = 1001


def read_pickle(source: Source, start: int = 0, persistent: Callable | None = None) -> Any:
    """The object that a pickle describes.

    Dictionaries, lists, tuples, sets, numbers and texts are themselves; tensors are `StoredTensor`; objects of
    the generator's classes are `Thing`; strings of more than `LAZY` bytes are `Blob`.

    Args:
        source: the file.
        start: where in it the pickle begins.
        persistent: takes the tuple of a storage that is kept elsewhere; None refuses them.

    Raises:
        WeightsError: the pickle names something that weights do not need, or it is damaged.
    """
    return Machine(source, start, persistent).run()


def storage_header(blob: Blob) -> tuple[str, int, int]:
    """The type, the number of items and the place of the data of a storage that was saved as bytes.

    Raises:
        WeightsError: it holds anything else.
    """
    seen: list[tuple] = []
    end = blob.start + min(blob.length, LONGEST_HEADER)  # thousands of long ones would take hours
    source = Source(blob.source.file, end, blob.source.name)
    place, parts = blob.start, []
    for _ in range(5):
        machine = Machine(source, place, lambda told: seen.append(told) or "storage")
        parts.append(machine.run())
        place = machine.place
    magic, protocol, system, held, keys = parts
    sound = magic == MAGIC and protocol == STORAGE_PROTOCOL and held == "storage" and len(seen) == 1
    if not sound or type(system) is not dict or system.get("little_endian") is not True:
        raise source.damaged("a tensor has a strange header")
    kind, numel = storage_type(seen[0], source)
    if keys != [seen[0][2]]:
        raise source.damaged("a tensor has a strange header")
    return kind, numel, place


def storage_type(told: Any, source: Source) -> tuple[str, int]:
    """The type and the number of items of ("storage", type, key, device, items, ...)."""
    if type(told) is tuple and len(told) >= 5 and told[0] == "storage":
        kind, key, numel = told[1], told[2], told[4]
        known = isinstance(kind, Name) and kind.module == "torch" and kind.name in STORAGES
        if known and type(key) is str and type(numel) is int and numel >= 0:
            return kind.name, numel
    raise source.damaged("a tensor is kept in a strange way")


class Machine:
    """The machine of one pickle."""

    def __init__(self, source: Source, start: int, persistent: Callable | None) -> None:
        self.source, self.place, self.persistent = source, start, persistent
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.short = self.steps = 0
        source.file.seek(start)

    def run(self) -> Any:
        """Run to the end; what the pickle describes."""
        try:
            while True:
                self.spend(1)
                code = self.take(1)[0]
                if code == ord("."):
                    return self.stack.pop()
                step = STEPS.get(code)
                if step is None:
                    raise self.source.refuse(f"it uses the instruction {bytes([code])!r}")
                step(self)
        except (LookupError, TypeError, AttributeError, UnicodeError, struct.error) as error:
            raise self.source.damaged(f"{type(error).__name__} {error}") from error
        except (ValueError, ArithmeticError) as error:
            raise self.source.refuse(str(error)) from error

    def spend(self, steps: int) -> None:
        """Count work: a short file may ask for the same long table to be copied again and again."""
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise self.source.refuse(f"it has more than {MOST_STEPS} instructions")

    def keep(self, length: int) -> None:
        """Count bytes of short strings."""
        self.short += length
        if self.short > MOST_BYTES:
            raise self.source.refuse(f"it holds more than {MOST_BYTES} bytes of text")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self.room(count)
        self.place += count
        return self.source.file.read(count)

    def room(self, count: int) -> None:
        """Refuse to reach beyond the end."""
        if count > self.source.size - self.place:
            raise self.source.damaged("it ends too early")

    def number(self, form: str) -> int:
        """The next number, little endian."""
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def string(self, length: int) -> bytes | Blob:
        """The next string; a long one stays in the file."""
        if length <= LAZY:
            self.keep(length)
            return self.take(length)
        self.room(length)
        blob = Blob(self.source, self.place, length)
        self.place += length
        self.source.file.seek(self.place)
        return blob

    def text(self, length: int) -> None:
        """Push the next text."""
        found = self.string(length)
        decoded = found if isinstance(found, Blob) else found.decode("utf-8", "surrogatepass")
        self.stack.append(decoded)

    def line(self) -> str:
        """The next line, which is part of a name."""
        found = self.source.file.readline(LONGEST_NAME)
        self.place += len(found)
        if not found.endswith(b"\n"):
            raise self.source.damaged("a name has no end")
        return found[:-1].decode("ascii")

    def name(self, module: Any, name: Any) -> None:
        """Push a name that is harmless, or refuse it."""
        if type(module) is not str or type(name) is not str:
            raise self.source.refuse("it imports something without a plain name")
        named = Name(module, name)
        if not is_allowed(named):
            raise self.source.refuse(f"it imports `{named}`, which weights do not need")
        self.stack.append(named)

    def call(self) -> None:
        """Do what stands for a call in `CALLS`."""
        args, function = self.stack.pop(), self.stack.pop()
        key = (function.module, function.name) if isinstance(function, Name) else None
        if key is None or type(args) is not tuple:
            raise self.source.refuse("it calls something that has no name")
        for given in (args, *args):
            if type(given) in (str, bytes):
                self.keep(len(given))
            elif type(given) in (tuple, list, dict, set):
                self.spend(len(given))
        if key in CALLS:
            args = (self.as_blob(arg) for arg in args) if key == PACKED else args
            self.stack.append(CALLS[key](*args))
        elif is_class(function):
            self.stack.append(Thing(function.name))
        else:
            raise self.source.refuse(f"it calls `{function}`")

    def as_blob(self, data: Any) -> Any:
        """Bytes as a blob that knows its file's name."""
        return blob_of(data, self.source.name) if isinstance(data, bytes) else data

    def make(self, args: Any, kind: Any) -> None:
        """Push an empty object of a class."""
        if not isinstance(kind, Name) or type(args) is not tuple:
            raise self.source.refuse("it makes an object of a class that has no name")
        if (kind.module, kind.name) in MADE:
            self.stack.append({})
        elif is_class(kind):
            self.stack.append(Thing(kind.name))
        else:
            raise self.source.refuse(f"it makes an object of `{kind}`")

    def build(self) -> None:
        """Give the object on the stack its state."""
        state, held = self.stack.pop(), self.stack[-1]
        if isinstance(held, NumberType) and type(state) is tuple:
            held.big_endian = state[1] == ">"
        elif isinstance(held, Thing) and type(state) is dict:
            held.state = state
        elif not (isinstance(held, Thing) and held.kind == "ndarray") and type(held) is not dict:
            raise self.source.refuse(f"it changes a {type(held).__name__} from within")

    def mark(self) -> None:
        """Begin a group."""
        self.marks.append(self.stack)
        self.stack = []

    def group(self) -> list[Any]:
        """End a group: its members."""
        members, self.stack = self.stack, self.marks.pop()
        return members

    def put(self, pairs: list[Any]) -> None:
        """Set entries of the dictionary on the stack."""
        table = self.stack[-1]
        if type(table) is not dict or len(pairs) % 2:
            raise ValueError("entries are set where no dictionary is")
        table.update((key_of(k), v) for k, v in zip(pairs[::2], pairs[1::2]))

    def add(self, members: list[Any], kind: type) -> None:
        """Add to the list or set on the stack."""
        held = self.stack[-1]
        if type(held) is not kind:
            raise ValueError(f"something is added where no {kind.__name__} is")
        if kind is list:
            held.extend(members)
        else:
            held.update(key_of(member) for member in members)

    def long(self, length: int) -> None:
        """Push an integer of so many bytes."""
        if not 0 <= length <= LONGEST_NUMBER:
            raise self.source.refuse(f"it holds an integer of {length} bytes")
        self.stack.append(int.from_bytes(self.take(length), "little", signed=True))

    def kept(self) -> None:
        """Push a storage that is kept elsewhere."""
        if self.persistent is None:
            raise self.source.refuse("it refers to something outside of itself")
        self.stack.append(self.persistent(self.stack.pop()))


def _protocol(machine: Machine) -> None:
    version = machine.take(1)[0]
    if not 2 <= version <= 5:
        raise machine.source.refuse(f"it is a pickle of protocol {version}, and 2 to 5 are read")


def _tuple(count: int) -> Callable[[Machine], None]:
    def step(machine: Machine) -> None:
        if len(machine.stack) < count:
            raise IndexError("in a tuple")
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return step


def _push(value: Any) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(value)


def _dict(pairs: list[Any]) -> dict:
    return {key_of(k): v for k, v in zip(pairs[::2], pairs[1::2], strict=True)}


def _global(machine: Machine) -> None:
    module = machine.line()
    machine.name(module, machine.line())


def _stack_global(machine: Machine) -> None:
    name = machine.stack.pop()
    machine.name(machine.stack.pop(), name)


def _new(machine: Machine) -> None:
    args = machine.stack.pop()
    machine.make(args, machine.stack.pop())


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.group()


def _set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    machine.put([machine.stack.pop(), value])


def _append(machine: Machine) -> None:
    machine.add([machine.stack.pop()], list)


STEPS: dict[int, Callable[[Machine], Any]] = {
    ord(code): step
    for code, step in {
        "\x80": _protocol,
        "\x95": lambda m: m.take(8),  # a frame only tells how much to read ahead
        "N": _push(None),
        "\x88": _push(True),
        "\x89": _push(False),
        "J": lambda m: m.stack.append(m.number("i")),
        "K": lambda m: m.stack.append(m.number("B")),
        "M": lambda m: m.stack.append(m.number("H")),
        "\x8a": lambda m: m.long(m.number("B")),
        "\x8b": lambda m: m.long(m.number("i")),
        "G": lambda m: m.stack.append(struct.unpack(">d", m.take(8))[0]),
        "\x8c": lambda m: m.text(m.number("B")),
        "X": lambda m: m.text(m.number("I")),
        "\x8d": lambda m: m.text(m.number("Q")),
        "C": lambda m: m.stack.append(m.string(m.number("B"))),
        "B": lambda m: m.stack.append(m.string(m.number("I"))),
        "\x8e": lambda m: m.stack.append(m.string(m.number("Q"))),
        ")": _push(()),
        "\x85": _tuple(1),
        "\x86": _tuple(2),
        "\x87": _tuple(3),
        "]": lambda m: m.stack.append([]),
        "}": lambda m: m.stack.append({}),
        "\x8f": lambda m: m.stack.append(set()),
        "(": lambda m: m.mark(),
        "t": lambda m: _grouped(m, tuple),
        "l": lambda m: _grouped(m, list),
        "d": lambda m: _grouped(m, _dict),
        "a": _append,
        "e": lambda m: m.add(m.group(), list),
        "\x90": lambda m: m.add(m.group(), set),
        "s": _set_item,
        "u": lambda m: m.put(m.group()),
        "0": _pop,
        "1": lambda m: m.group(),
        "c": _global,
        "\x93": _stack_global,
        "R": lambda m: m.call(),
        "\x81": _new,
        "b": lambda m: m.build(),
        "q": lambda m: m.memo.__setitem__(m.number("B"), m.stack[-1]),
        "r": lambda m: m.memo.__setitem__(m.number("I"), m.stack[-1]),
        "\x94": lambda m: m.memo.__setitem__(len(m.memo), m.stack[-1]),
        "h": lambda m: m.stack.append(m.memo[m.number("B")]),
        "j": lambda m: m.stack.append(m.memo[m.number("I")]),
        "Q": lambda m: m.kept(),
    }.items()
}
"""The instructions that pickles of protocols 2 to 5 use for data, by their code."""


def _grouped(machine: Machine, kind: Callable[[list], Any]) -> None:
    members = machine.group()
    machine.stack.append(kind(members))
