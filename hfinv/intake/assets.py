"""Where the intake's own data lies."""

from __future__ import annotations

from pathlib import Path

from hfinv.errors import WeightsError

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "intake"


def path(name: str) -> Path:
    """The bundled file of that name.

    Raises:
        WeightsError: the installation lacks it.
    """
    found = FOLDER / name
    if not found.is_file():
        raise WeightsError(f"`{found}` is missing from this installation", "install hfinv again")
    return found
