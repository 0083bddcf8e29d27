"""Whole official files, thin enough to be written and inverted into in a test."""

from __future__ import annotations

from pathlib import Path

import recipe
from fixtures import recorded
from standin import EG3D_AXES, PANOHEAD_AXES, write_official
from torch import nn

from hfinv.generators import family
from hfinv.generators.official import Found, card_of

RAY_SIZE = 48


def thin(name: str, rendering: dict | None = None) -> tuple[nn.Module, dict]:
    """A generator with the recipe's weights and few channels, and its constructor's arguments.

    Args:
        name: "eg3d" or "panohead".
        rendering: changes its rendering arguments.
    """
    arguments = recorded(f"{name}_tiny")[0]["init_kwargs"] | {"channel_base": 512, "channel_max": 4}
    if rendering:
        arguments = arguments | {"rendering_kwargs": arguments["rendering_kwargs"] | rendering}
    card = card_of(Found({}, arguments, RAY_SIZE), name)
    made = family(card.family)(card)
    recipe.fill(made)
    return made.eval().requires_grad_(False), arguments


def thin_file(name: str, path: Path, rendering: dict | None = None) -> Path:
    """`thin` as an official pickle; returns its path."""
    made, arguments = thin(name, rendering)
    axes = EG3D_AXES if name == "eg3d" else PANOHEAD_AXES
    return write_official(path, made, arguments, RAY_SIZE, axes)
