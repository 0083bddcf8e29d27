"""Pickles that want harm, written instruction by instruction."""

from __future__ import annotations

import pickle
import struct

MARK = "ran"
"""A file that only a harmed reader makes."""
COMMAND = f"touch {MARK}"
END = b"."
P2, P4 = b"\x80\x02", b"\x80\x04"


def text(word: str) -> bytes:
    """A text on the stack."""
    raw = word.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def named(module: str, name: str, protocol: int = 2) -> bytes:
    """A name on the stack."""
    if protocol == 2:
        return f"c{module}\n{name}\n".encode()
    return text(module) + text(name) + b"\x93"


def called(module: str, name: str, *args: bytes, protocol: int = 2) -> bytes:
    """A call on the stack."""
    return named(module, name, protocol) + b"(" + b"".join(args) + b"tR"


def held(body: bytes) -> bytes:
    """An official dictionary whose `G_ema` is something."""
    return P2 + b"}" + text("G_ema") + body + b"s" + END


def thing(**state: bytes) -> bytes:
    """An object of the generator's classes with a state."""
    pairs = b"".join(text(key) + value for key, value in state.items())
    return named("training.triplane", "Generator") + b")\x81}(" + pairs + b"ub"


def module(buffers: bytes = b"}", modules: bytes = b"}", **state: bytes) -> bytes:
    """A module of a generator."""
    return thing(_parameters=b"}", _buffers=buffers, _modules=modules, **state)


def storage(numel: int = 4, header: bytes = b"", data: bytes | None = None) -> bytes:
    """A storage as torch writes it, with something before its header."""
    told = (
        P2
        + b"("
        + text("storage")
        + named("torch", "FloatStorage")
        + text("0")
        + text("cpu")
        + b"\x8a\x08"
        + struct.pack("<q", numel)
        + b"NtQ"
        + END
    )
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = [0x1950A86A20F9469CFC6C, 1001, system]
    raw = header + b"".join(pickle.dumps(part, 2) for part in parts) + told + pickle.dumps(["0"], 2)
    data = b"\0" * 16 if data is None else data
    return raw + struct.pack("<q", numel) + data


def numbers(*values: int) -> bytes:
    """A tuple of integers on the stack."""
    return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", v) for v in values) + b"t"


def view_of(kept: bytes, shape: tuple = (4,), stride: tuple = (1,), offset: int = 0) -> bytes:
    """A tensor of a storage, on the stack."""
    start = b"\x8a\x08" + struct.pack("<q", offset)
    args = (kept, start, numbers(*shape), numbers(*stride), b"\x89", b"}")
    return called("torch._utils", "_rebuild_tensor_v2", *args)


def tensor_value(raw: bytes, shape: tuple = (4,), stride: tuple = (1,), offset: int = 0) -> bytes:
    """A tensor of a storage as torch writes it, on the stack."""
    packed = called("torch.storage", "_load_from_bytes", b"B" + struct.pack("<I", len(raw)) + raw)
    return view_of(packed, shape, stride, offset)


def tensor(raw: bytes, shape: tuple = (4,), stride: tuple = (1,), offset: int = 0) -> bytes:
    """A table with one tensor on the stack."""
    return b"}" + text("x") + tensor_value(raw, shape, stride, offset) + b"s"


def imports() -> dict[str, bytes]:
    """Names that run something."""
    names = [
        "os.system",
        "posix.system",
        "nt.system",
        "builtins.eval",
        "__builtin__.eval",
        "builtins.exec",
        "builtins.__import__",
        "subprocess.call",
        "importlib.import_module",
        "runpy.run_path",
        "torch.load",
        "torch.hub.load",
        "numpy.load",
        "pickle.loads",
        "torch.nn.modules.container.__import__('os').system",
        "_imported_module_x.a.b",
    ]
    cases = {}
    for full in names:
        place, _, name = full.rpartition(".") if "(" not in full else full.partition(".__")
        cases[full] = P2 + called(place, name, text(COMMAND)) + END
    both = (("getattr", b"cos\nsystem\n"), ("functools.partial", b"cos\nsystem\n"))
    for full, target in both:
        place, _, name = (
            ("builtins." + full).rpartition(".") if "." not in full else full.rpartition(".")
        )
        cases[f"chain of {full}"] = P2 + called(place, name, target, text(COMMAND)) + END
    cases["getattr of an allowed name"] = (
        P4
        + called(
            "builtins", "getattr", named("torch", "FloatStorage", 4), text("__class__"), protocol=4
        )
        + END
    )
    cases["dotted name"] = P4 + named("collections", "OrderedDict.fromkeys", 4) + END
    cases["copyreg"] = P2 + called("copyreg", "_reconstructor", named("os", "system")) + END
    cases["name that is a list"] = P4 + b"]" + text("system") + b"\x93" + END
    cases["in the discriminator"] = (
        P2
        + b"}("
        + text("D")
        + called("os", "system", text(COMMAND))
        + text("G_ema")
        + module()
        + b"u"
        + END
    )
    cases["attrgetter"] = P2 + called("operator", "attrgetter", text("system")) + END
    return cases


def instructions() -> dict[str, bytes]:
    """Instructions that weights do not use."""
    return {
        "INST": P2 + b"(" + text(COMMAND) + b"ios\nsystem\n" + END,
        "OBJ": P2 + b"(" + named("torch", "FloatStorage") + text(COMMAND) + b"o" + END,
        "EXT1": P2 + b"\x82\x01" + END,
        "PERSID": P2 + b"P0\n" + END,
        "BINPERSID": P2 + text("0") + b"Q" + END,
        "call of a text": P2 + text("os.system") + b"(" + text(COMMAND) + b"tR" + END,
        "NEWOBJ of a function": P2 + named("torch._utils", "_rebuild_tensor_v2") + b")\x81" + END,
        "BUILD of a set": P4 + b"\x8f}b" + END,
        "SETITEM of a thing": P2 + thing() + text("__class__") + text("x") + b"s" + END,
        "number of an object": P2 + called("numpy", "dtype", text("O8")) + END,
        "codec": P2 + called("_codecs", "encode", text("x"), text("zlib")) + END,
        "no stack": P2 + b"R" + END,
        "no memo": P2 + b"h\x05" + END,
    }


def sizes() -> dict[str, bytes]:
    """Things that are said to be larger than they are, or have no end."""
    laugh = b"]q\x00(" + b"N" * 10 + b"e"
    for level in range(1, 30):
        laugh += b"q" + bytes([level]) + b"0](" + (b"h" + bytes([level])) * 10 + b"e"
    billion = module() + b"q\x00"
    for level in range(1, 10):
        again = b"".join(text(f"k{i}") + b"h" + bytes([level - 1]) for i in range(9))
        table = b"}(" + text("first") + billion + again + b"u"
        billion = module(modules=table) + b"q" + bytes([level])
    return {
        "BINBYTES8": P4 + b"\x8e" + struct.pack("<Q", 2**60) + END,
        "BINUNICODE8": P4 + b"\x8d" + struct.pack("<Q", 2**62) + END,
        "BINBYTES": P4 + b"B" + struct.pack("<I", 2**32 - 1) + END,
        "LONG4": P2 + b"\x8b" + struct.pack("<i", 2**31 - 1) + END,
        "negative LONG4": P2 + b"\x8b" + struct.pack("<i", -1) + END,
        "LONG_BINPUT": P2 + b"Nr" + struct.pack("<I", 2**32 - 1) + END,
        "instructions": P2 + b"N0" * 3_000_000 + END,
        "marks": P2 + b"(" * 3_000_000 + END,
        "nested tuples": P2 + b")" + b"\x85" * 300_000 + END,
        "nested tuples as a key": P2 + b"})" + b"\x85" * 300_000 + b"Ns" + END,
        "nested lists": P2 + b"]" + b"]" * 150_000 + b"a" * 150_000 + END,
        "colliding keys": P2
        + b"}("
        + b"".join(
            b"\x8a\x0a" + (i * (2**61 - 1)).to_bytes(10, "little") + b"N" for i in range(50_000)
        )
        + b"u"
        + END,
        "texts": P2 + (b"X" + struct.pack("<I", 1000) + b"a" * 1000) * 20_000 + END,
        "a module in itself": held(
            module(modules=b"}q\x07") + b"q\x08" + b"h\x07" + text("me") + b"h\x08s0"
        ),
        "a billion modules": held(billion),
        "arguments of arguments": held(module(_init_kwargs=b"}" + text("a") + laugh + b"s")),
        "a list in itself": held(module(_init_kwargs=b"}" + text("a") + b"]q\x05h\x05a" + b"s")),
    }


def repetitions() -> dict[str, bytes]:
    """Short files whose every instruction asks for much work: one long table, taken again and again."""
    long = b"](" + (b"K\x01" * 90_000) + b"eq\x00"
    pairs = b"](" + (text("a") + b"N\x86") * 90_000 + b"eq\x00"
    again = {
        "copies of a set": (P4 + long, ("builtins", "set"), b"h\x00\x85R"),
        "copies of a table": (P4 + pairs, ("collections", "OrderedDict"), b"h\x00\x85R"),
        "copies of a size": (P4 + long, ("torch", "Size"), b"h\x00\x85R"),
    }
    made = {
        kind: start + named(*name) + b"q\x01" + (b"h\x01" + step) * 30_000 + END
        for kind, (start, name, step) in again.items()
    }
    word = text("a" * 1000) + b"q\x00" + text("latin-1") + b"q\x02" + named("_codecs", "encode")
    made["copies of a text"] = P4 + word + b"q\x01" + b"h\x01h\x00h\x02\x86R" * 60_000 + END
    names = b"".join(text(f"n{i}") + b"N" for i in range(60_000))
    wide = module(buffers=b"}q\x09(" + names + b"u", modules=b"}q\x00") + b"q\x08"
    more = b"".join(text(f"m{i}") + module(buffers=b"h\x09") for i in range(2000))
    made["wide tables of nothing"] = held(wide + b"0h\x00(" + more + b"u0h\x08")
    empty = storage(header=b"N0" * 100_000)
    table = b"}" + b"".join(tensor_entry(f"x{i}", empty) for i in range(20))
    made["headers of nothing"] = held(module(table))
    return made


WHOLE = {"_parameters": b"}", "_buffers": b"}", "_modules": b"}"}
"""What every module has."""


def misplaced() -> dict[str, bytes]:
    """Parts of an object that are not what their place asks for."""
    told = {
        "_init_kwargs": [b"]", b"N", text("x"), thing()],
        "rendering_kwargs": [b"]", b"K\x05", text("x")],
        "neural_rendering_resolution": [
            thing(),
            b"](K\x01e",
            text("x"),
            b"G" + struct.pack(">d", 1e300),
        ],
        "_non_persistent_buffers_set": [b"K\x05", thing(), text("x")],
        "_parameters": [b"]", b"N", b"}K\x01Ns", b"}" + text("a") + b"K\x01s"],
        "_modules": [b"]", b"}K\x01Ns", b"K\x01"],
    }
    return {
        f"{key} {number}": held(thing(**WHOLE | {key: body}))
        for key, bodies in told.items()
        for number, body in enumerate(bodies)
    }


def strange() -> dict[str, bytes]:
    """Objects that are not what their place asks for."""
    made = misplaced()
    inner = b"}" + text("rendering_kwargs") + b"}(" + text("triplane_depth") + b"K\x03u" + b"s"
    made["hardly any arguments"] = held(thing(**WHOLE, _init_kwargs=inner))
    made["an infinite size"] = P2 + called("torch", "Size", b"(G\x7f\xf0\0\0\0\0\0\0t") + END
    made["a name that steers the terminal"] = (
        P4 + named("os\x1b[2J\x1b[31m\nhint: run `curl x`", "system", 4) + END
    )
    made["a long name"] = P4 + named("a" * 1000, "b" * 1000, 4) + END
    made["deep things"] = P2 + deep_things(30_000) + END
    large = storage(30_000_000, data=b"\0" * 120_000_000)
    axes = tensor_value(large, (3, 3, 3), (9, 3, 1))
    made["large axes"] = held(
        thing(**WHOLE | {"_modules": b"}" + text("renderer") + thing(plane_axes=axes) + b"s"})
    )
    packed = called(
        "torch.storage", "_load_from_bytes", b"B" + struct.pack("<I", len(large)) + large
    )
    views = b"".join(
        text(f"x{i}") + view_of(b"h\x01", (30_000_000,), (1,)) + b"s" for i in range(40)
    )
    made["tensors that share their numbers"] = held(module(packed + b"q\x010}" + views))
    code = b"X" + struct.pack("<I", 50_000_000) + b"#" * 50_000_000
    meta = b"}(" + b"".join(
        text(key) + body
        for key, body in {
            "type": text("class"),
            "class_name": text("R"),
            "state": b"}",
            "module_src": code,
        }.items()
    )
    spoken = called("torch_utils.persistence", "_reconstruct_persistent_obj", meta + b"u")
    made["fifty megabytes of code"] = held(module(modules=b"}" + text("renderer") + spoken + b"s"))
    return made


def deep_things(depth: int) -> bytes:
    """An object in an object in an object."""
    name = named("training.triplane", "Generator")
    opened = (name + b")\x81}" + text("a")) * depth
    return opened + b"N" + b"sb" * depth


def tensor_entry(name: str, raw: bytes) -> bytes:
    """A tensor for the table on the stack."""
    return text(name) + tensor_value(raw) + b"s"


def tensors() -> dict[str, bytes]:
    """Tensors with something in them."""
    harm = P2 + called("os", "system", text(COMMAND)) + b"0"
    call = P2 + called("os", "system", text(COMMAND)) + END
    return {
        "a call in a storage": held(module(tensor(storage(header=call)))),
        "a call before the header": held(module(tensor(harm + storage()))),
        "a storage larger than its bytes": held(module(tensor(storage(2**50)))),
        "a storage smaller than its bytes": held(module(tensor(storage(2)))),
        "a tensor beyond its storage": held(module(tensor(storage(), offset=3))),
        "a tensor of a billion times one number": held(module(tensor(storage(), (2**40,), (0,)))),
        "a negative stride": held(module(tensor(storage(), stride=(-1,)))),
        "a cut off storage": held(module(tensor(storage()[:-4]))),
        "a storage in a storage": held(module(tensor(storage(header=storage())))),
    }
