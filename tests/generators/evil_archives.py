"""Archives and safetensors files that want harm; see `evil`."""

from __future__ import annotations

import io
import json
import struct
import zipfile

from evil_pickles import COMMAND, END, P2, called, named, numbers, text, view_of


def archives() -> dict[str, bytes]:
    """`.pt` files."""
    made = {}
    bodies = {
        "archive that runs": (P2 + called("os", "system", text(COMMAND)) + END, zipfile.ZIP_STORED),
        "archive of compressed nothing": (b"N" * 30_000_000, zipfile.ZIP_DEFLATED),
        "archive of nothing": (b"", zipfile.ZIP_STORED),
    }
    for name, (body, method) in bodies.items():
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("archive/data.pkl", body)
        made[name] = file.getvalue()
    made["archive cut off"] = made["archive that runs"][:60]
    made["archive of a hundred thousand parts"] = zipped(
        {f"archive/data/{i}": b"" for i in range(10**5)}
    )
    whole = {"archive/data.pkl": P2 + b"}" + END}
    packed = zipped({"archive/byteorder": b"\0" * 300_000_000}, zipfile.ZIP_DEFLATED, whole)
    made["archive of a packed byte order"] = packed
    made["archive with a password"] = locked(zipped(whole))
    made["archive whose index lies about its size"] = longer(zipped(whole))
    body = P2 + b"}" + text("w") + kept_tensor("0", 10**7) + b"s" + END
    made["archive whose tensor is not there"] = zipped({"archive/data.pkl": body})
    numbers = {"archive/data.pkl": body, "archive/data/0": b"\0" * 100}
    made["archive whose tensor is too short"] = zipped(numbers)
    outside = P2 + b"}" + text("w") + kept_tensor("../../../../etc/passwd", 4) + b"s" + END
    made["archive that points outside"] = zipped({"archive/data.pkl": outside})
    return made


def zipped(parts: dict[str, bytes], method: int = zipfile.ZIP_STORED, more: dict = {}) -> bytes:
    """A zip archive; `more` stays unpacked."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, body in more.items():
            made.writestr(name, body)
        for name, body in parts.items():
            made.writestr(name, body, method)
    return file.getvalue()


def locked(data: bytes) -> bytes:
    """An archive whose first part is marked as encrypted, in both of its listings."""
    data = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    return bytes(data)


def longer(data: bytes) -> bytes:
    """An archive whose first part is said to take 4 GB in the file, for its few bytes."""
    data = bytearray(data)
    place = data.index(b"PK\x01\x02") + 20
    data[place : place + 4] = struct.pack("<I", 2**32 - 2)
    return bytes(data)


def kept_tensor(key: str, numel: int) -> bytes:
    """A tensor whose numbers are another part of the archive, on the stack."""
    told = (
        text("storage"),
        named("torch", "FloatStorage"),
        text(key),
        text("cpu"),
        numbers(numel)[1:-1],
    )
    kept = b"(" + b"".join(told) + b"tQ"
    return view_of(kept, (numel,))


def headers() -> dict[str, bytes]:
    """Safetensors files, and cards of ours that ask for what there is not."""

    def file(header: object, data: bytes = b"") -> bytes:
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(raw)) + raw + data

    def ours(**changes: object) -> bytes:
        card = {
            "name": "x", "family": "eg3d", "arguments": {}, "image_size": 512, "box": 1.0, "radius": 2.7,
            "pivot": [0, 0, 0.2], "focal": 4.2, "num_ws": 14, "w_dim": 512, "yaw_range": 1.0, "factors": [],
        }  # fmt: skip
        entry = {"format": "hfinv generator 1", "card": card | changes}
        return file({"__metadata__": {"hfinv": json.dumps(entry)}})

    nest = json.dumps({"__metadata__": {"hfinv": "[" * 200_000}})
    return {
        "header of a length beyond any": struct.pack("<Q", 2**63 - 1)[:5] + b"\0\0\0{}",
        "header of 2^40 bytes": struct.pack("<Q", 2**40) + b"{}",
        "header longer than the file": struct.pack("<Q", 5000) + b"{}",
        "header of 90 MB": file(b'{"__metadata__":{"a":"' + b"a" * 90_000_000 + b'"}}'),
        "header that nests": file(b'{"a":' * 100_000),
        "entry that nests": file(nest.encode()),
        "tensor beyond the file": file(
            {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
        ),
        "tensor of a size that overflows": file(
            {"a": {"dtype": "F32", "shape": [2**63, 2**63], "data_offsets": [0, 0]}}
        ),
        "card of a huge network": ours(arguments={"channel_base": 2**20, "channel_max": 2**20}),
        "card of a million layers": ours(arguments={"mapping_layers": 10**6}),
        "card of a huge w": ours(w_dim=2**20, arguments={"z_dim": 2**20}),
        "card of many rows": ours(num_ws=10**9),
        "card of infinite size": ours(box=float("inf")),
        "card of words": ours(radius="far"),
        "card of a huge whole number": ours(box=10**400),
        "card without a name": ours(name=[1]),
        "card of another module": ours(family="os:system"),
    }
