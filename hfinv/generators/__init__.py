"""The 3D-aware generators: a family is a name and a class, a generator is a file."""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from hfinv.errors import WeightsError

if TYPE_CHECKING:
    import torch

    from hfinv.generators.base import Generator

GENERATORS = {
    "eg3d": "hfinv.generators.eg3d:EG3D",
    "heads": "hfinv.generators.heads:Heads",
    "panohead": "hfinv.generators.panohead:PanoHead",
}
"""Family name to "module:class", imported when needed. A class takes a `Card` and is a `Generator`."""

ASSETS = Path(__file__).parent.parent / "assets"
"""Where bundled files are."""

BUNDLED = {"heads": ASSETS / "heads.safetensors"}
"""Generators that come with hfinv, by name."""


def family(name: str) -> type[Generator]:
    """The class of a family.

    Raises:
        WeightsError: no such family.
    """
    if name not in GENERATORS:
        raise WeightsError(f"unknown generator family {name!r}", _nearest(name, GENERATORS))
    module, _, cls = GENERATORS[name].partition(":")
    return getattr(import_module(module), cls)


def locate(name_or_path: str | Path) -> Path:
    """The file of a bundled generator's name, or of a path.

    Raises:
        WeightsError: neither a bundled name nor a file.
    """
    name = str(name_or_path)
    path = BUNDLED.get(name, Path(name))
    if path.is_file():
        return path
    if name in BUNDLED:
        raise WeightsError(
            f"the bundled generator {name!r} is not at `{path}`", "install hfinv again"
        )
    if path.suffix or path.parent != Path("."):
        raise WeightsError(
            f"no weights at `{path}`", f"check the path, or name one of {_names(BUNDLED)}"
        )
    raise WeightsError(f"unknown generator {name!r}", _nearest(name, BUNDLED))


def lasting(name_or_path: str | Path) -> str:
    """What names the same generator from any folder: a bundled name, or an absolute path."""
    name = str(name_or_path)
    return name if name in BUNDLED else str(Path(name).absolute())


def load_generator(name_or_path: str | Path, device: torch.device | str = "cpu") -> Generator:
    """A generator, ready to render: evaluation mode, weights frozen.

    Args:
        name_or_path: a key of `BUNDLED`, or a `.safetensors` file that hfinv wrote.
        device: where to put it.

    Raises:
        WeightsError: unknown name, or the file is missing, damaged or of another kind.
    """
    from hfinv.generators.checkpoint import (
        load,
    )  # imports torch, which listing names should not wait for

    return load(locate(name_or_path)).to(device)


def _nearest(name: str, known: dict) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return (
        f"did you mean {close[0]!r}?" if close else f"choose one of {_names(known)}, or give a file"
    )


def _names(known: dict) -> str:
    return ", ".join(known)
