"""GLB, the binary form of glTF 2.0: one file with the surface, its normals, and a texture or colours."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hfinv import __version__
from hfinv.export.mesh import METRES_PER_UNIT, Mesh, linear
from hfinv.image import written_aside

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
LINEAR_FILTER, MIPMAPS, CLAMP = 9729, 9987, 33071
QUALITY = 92
"""Of the texture's JPEG."""


def save(path: Path, mesh: Mesh, lit: bool) -> list[Path]:
    """Write a GLB."""
    with written_aside(path) as aside:
        aside.write_bytes(encoded(mesh, lit))
    return [path]


def encoded(mesh: Mesh, lit: bool) -> bytes:
    """A mesh as a GLB, in metres.

    Args:
        mesh: in world units; colours at the vertices are written in linear light, as glTF wants them.
        lit: False asks viewers to show the colours as they are (KHR_materials_unlit).
    """
    buffer = _Buffer()
    attributes = {
        "POSITION": buffer.positions(mesh.in_metres().vertices),
        "NORMAL": buffer.vectors(mesh.normals),
    }
    material: dict[str, Any] = {
        "name": "head",
        "doubleSided": True,
        "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.9},
    }
    if mesh.colours is not None:
        attributes["COLOR_0"] = buffer.colours(linear(mesh.colours))
    document: dict[str, Any] = {
        "asset": {
            "version": "2.0",
            "generator": f"hfinv {__version__}",
            "extras": {"metres_per_world_unit": METRES_PER_UNIT},
        },
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": "head", "mesh": 0}],
        "materials": [material],
    }
    if mesh.texture is not None:
        attributes["TEXCOORD_0"] = buffer.vectors(mesh.uv)
        document |= {
            "textures": [{"sampler": 0, "source": 0}],
            "samplers": [
                {"magFilter": LINEAR_FILTER, "minFilter": MIPMAPS, "wrapS": CLAMP, "wrapT": CLAMP}
            ],
            "images": [{"mimeType": "image/jpeg", "bufferView": buffer.picture(mesh.texture)}],
        }
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    if not lit:
        material["extensions"] = {"KHR_materials_unlit": {}}
        document["extensionsUsed"] = ["KHR_materials_unlit"]
    indices = buffer.indices(mesh.faces, len(mesh.vertices))
    primitive = {"attributes": attributes, "indices": indices, "material": 0}
    document["meshes"] = [{"name": "head", "primitives": [primitive]}]
    return buffer.packed(document)


class _Buffer:
    """The binary half of a GLB, while it grows."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def positions(self, values: np.ndarray) -> int:
        """[N, 3] -> number of the accessor; glTF wants the bounds of positions."""
        bounds = {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        return self._accessor(values.astype("<f4"), FLOAT, "VEC3", ARRAY_BUFFER, **bounds)

    def vectors(self, values: np.ndarray) -> int:
        """[N, 2 or 3] -> number of the accessor."""
        kind = f"VEC{values.shape[1]}"
        return self._accessor(values.astype("<f4"), FLOAT, kind, ARRAY_BUFFER)

    def colours(self, values: np.ndarray) -> int:
        """[N, 3] linear light in [0, 1] -> number of the accessor; 8 bits would band the shadows."""
        levels = np.rint(65535 * values).astype("<u2")
        levels = np.concatenate([levels, np.full((len(levels), 1), 65535, "<u2")], 1)
        return self._accessor(levels, UNSIGNED_SHORT, "VEC4", ARRAY_BUFFER, normalized=True)

    def indices(self, faces: np.ndarray, vertices: int) -> int:
        """[F, 3] -> number of the accessor."""
        short = vertices < 65535  # the last number is reserved
        kind, component = ("<u2", UNSIGNED_SHORT) if short else ("<u4", UNSIGNED_INT)
        values = np.ascontiguousarray(faces.reshape(-1), dtype=kind)
        return self._accessor(values, component, "SCALAR", ELEMENT_ARRAY_BUFFER)

    def picture(self, pixels: np.ndarray) -> int:
        """uint8 [S, S, 3] -> number of the view that holds its JPEG."""
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
        return self._view(file.getvalue())

    def packed(self, document: dict[str, Any]) -> bytes:
        """The whole file."""
        document = {
            **document,
            "buffers": [{"byteLength": len(self.data)}],
            "bufferViews": self.views,
            "accessors": self.accessors,
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self.data)
        header = struct.pack("<4sII", b"glTF", 2, total)
        parts = [header, struct.pack("<I4s", len(text), b"JSON"), text]
        return b"".join([*parts, struct.pack("<I4s", len(self.data), b"BIN\0"), self.data])

    def _accessor(
        self, values: np.ndarray, component: int, kind: str, target: int, **more: Any
    ) -> int:
        view = self._view(values.tobytes(), target=target)
        about = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
        self.accessors.append({**about, **more})
        return len(self.accessors) - 1

    def _view(self, data: bytes, **more: int) -> int:
        about = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)}
        self.views.append({**about, **more})
        self.data += data + bytes(-len(data) % 4)
        return len(self.views) - 1
