"""Turn one photo of a face into a faithful, editable 3D head by inverting a 3D-aware GAN.

head = hfinv.invert("face.jpg")
head.render(yaw=30).save("a.png")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hfinv.camera import Camera
    from hfinv.config import InvertConfig, load_settings
    from hfinv.generators import load_generator
    from hfinv.head import Head
    from hfinv.pipeline import invert, open_head

__version__ = "0.1.0"
__all__ = [
    "Camera",
    "Head",
    "InvertConfig",
    "invert",
    "load_generator",
    "load_settings",
    "open_head",
]

_HOME = {
    "Camera": "hfinv.camera",
    "Head": "hfinv.head",
    "InvertConfig": "hfinv.config",
    "invert": "hfinv.pipeline",
    "load_generator": "hfinv.generators",
    "load_settings": "hfinv.config",
    "open_head": "hfinv.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `hfinv --help` must not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'hfinv' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
