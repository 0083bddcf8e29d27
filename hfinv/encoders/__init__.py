"""A first guess of the head in a photo by one pass of a network, so that the search starts near its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.encoders.asset import BUNDLED, load_encoder
from hfinv.encoders.network import Encoder, EncoderCard
from hfinv.generators.base import Generator
from hfinv.shapes import check

__all__ = ["BUNDLED", "Encoder", "EncoderCard", "Guess", "crop_of", "guess", "load_encoder"]


@dataclass(frozen=True)
class Guess:
    """What one look at a photo says of the head."""

    z: Tensor
    """[B, Z], the generator's factors in standard deviations; 0 where the encoder does not know of one."""
    w_plus: Tensor
    """[B, L, D], the same as the generator's latent."""
    motion: Tensor
    """[B, 6], how the camera should move: a rotation vector about the card's pivot in radians, then a shift."""


@torch.no_grad()
def guess(
    encoder: Encoder,
    generator: Generator,
    photo: Tensor,
    foreground: Tensor,
    seen: Tensor,
    camera: Camera,
) -> Guess:
    """The generator's latent for a cropped photo.

    Factors are matched by name, so the encoder serves a generator that was trained on, or that has
    factors which came later.

    Args:
        encoder: frozen.
        generator: labelled, that is with factors on its card.
        photo: [B, 3, S, S] in [-1, 1], cropped as the intake crops.
        foreground: [B, 1, S, S] in [0, 1], 1 on the person.
        seen: [B, 1, S, S] in [0, 1], 0 where the crop lies outside the photo.
        camera: B cameras, as the intake measured them.

    Raises:
        ValueError: the generator has no factors, or shapes disagree.
    """
    if not generator.card.factors:
        raise ValueError(f"the generator {generator.card.name!r} has no labelled factors to guess")
    known, motion = encoder(crop_of(photo, foreground, seen), camera)
    z = by_name(known, encoder.card.factors, [f.name for f in generator.card.factors])
    return Guess(z, generator.map(z), motion)


def crop_of(photo: Tensor, foreground: Tensor, seen: Tensor) -> Tensor:
    """What the encoder reads, [B, 4, S, S]: the person's colours times coverage, and coverage."""
    check(photo=(photo, "B 3 S S"), foreground=(foreground, "B 1 S S"), seen=(seen, "B 1 S S"))
    coverage = foreground * seen
    return torch.cat([photo * coverage, coverage], 1)


def by_name(values: Tensor, names: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """[B, N] named `names` -> [B, W] named `wanted`; 0 for names that are not there."""
    place = {name: index for index, name in enumerate(names)}
    out = values.new_zeros(len(values), len(wanted))
    for index, name in enumerate(wanted):
        if name in place:
            out[:, index] = values[:, place[name]]
    return out
