"""The light on a face, so that a lamp on one side is not mirrored to the other.

SPI mirrors the light with the face and names that as its limit. Here the light is a smooth factor: either the second
order of spherical harmonics over the surface's normals (Ramamoorthi and Hanrahan, "An Efficient Representation for
Irradiance Environment Maps", 2001), or a blurred ratio of the two pictures where both show the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hfinv.symmetry.surface import Surface, blur, normals, spread

GAMMA = 2.2
"""Of the pictures' coding, well enough for a ratio."""
DARK = 0.02
"""Added to linear light, so that black has a finite logarithm."""


@dataclass(frozen=True)
class LightConfig:
    """What is done about one-sided light."""

    model: Literal["harmonics", "ratio", "none"] = "harmonics"
    """Second-order spherical harmonics over normals; a blurred ratio; or nothing, as published."""
    ridge: float = 0.1
    """Pulls the harmonics' nine numbers towards plain light, which the unseen side would else not have."""
    smooth: float = 0.06
    """Width of the blurred ratio, in sides of the picture."""
    limit: float = 2.0
    """Light is changed at most by this factor, either way."""


def linear(picture: Tensor) -> Tensor:
    """sRGB-coded [-1, 1] -> linear light [0, 1]."""
    return ((picture + 1) / 2).clamp(0, 1) ** GAMMA


def coded(light: Tensor) -> Tensor:
    """Linear light [0, 1] -> sRGB-coded [-1, 1]."""
    return 2 * light.clamp(0, 1) ** (1 / GAMMA) - 1


def relight(
    seen: Tensor, mirrored: Tensor, both: Tensor, surface: Surface, config: LightConfig
) -> Tensor:
    """The mirrored picture in the light that the photo has.

    Args:
        seen: [1, 3, S, S] in [-1, 1], the photo carried to the mirrored camera.
        mirrored: [1, 3, S, S] in [-1, 1], the photo in a mirror.
        both: [1, 1, S, S] in [0, 1], where both show the head.
        surface: the head from the mirrored camera.
        config: how.

    Returns:
        [1, 3, S, S] in [-1, 1].
    """
    if config.model == "none":
        return mirrored
    found, wanted = (torch.log(linear(x) + DARK) for x in (mirrored, seen))
    if config.model == "ratio":
        # Two blurs: the ratio of what both show, then the same ratio carried to where only the mirror does.
        ratio = spread(wanted - found, both, config.smooth)
    else:
        ratio = harmonic_ratio(found, wanted, both, surface, config)
    limit = torch.log(torch.tensor(config.limit)).item()
    light = torch.exp(found + ratio.clamp(-limit, limit)) - DARK
    return coded(light)


def harmonic_ratio(
    found: Tensor, wanted: Tensor, both: Tensor, surface: Surface, config: LightConfig
) -> Tensor:
    """[1, 3, S, S], the logarithm of the photo's light over the mirrored photo's, at each point of the surface.

    The light is l(n). In the mirror, the point with normal n has the light of the mirrored normal, l(Fn): the
    logarithm of their ratio is odd under F, so only the harmonics odd in x can be in it, and where both pictures
    show the head they are read off; colour of skin and hair is the same in both and drops out.
    """
    basis = odd_harmonics(normals(surface))  # [1, 3, S, S]
    columns = basis.flatten(2).mT[0]  # [S * S, 3]
    ratio = (wanted - found).flatten(2).mT[0]  # [S * S, 3 colours]
    weight = both.flatten(2).mT[0]  # [S * S, 1]
    plain = config.ridge * weight.sum().clamp(min=1.0) * torch.eye(3).to(columns)
    for _ in range(
        3
    ):  # what differs for other reasons than light is taken less seriously each time
        normal = columns.mT @ (weight * columns) + plain
        strength = torch.linalg.solve(normal, columns.mT @ (weight * ratio))  # [3, 3 colours]
        off = (columns @ strength - ratio).abs().mean(1, keepdim=True)
        weight = both.flatten(2).mT[0] / (1 + (off / 0.2) ** 2)
    return (columns @ strength).mT.unflatten(-1, basis.shape[-2:])[None]


def odd_harmonics(normal: Tensor) -> Tensor:
    """The real spherical harmonics up to the second order that change sign with x: x, xy and xz, unnormalised.

    Args:
        normal: [B, 3, h, h], unit vectors.

    Returns:
        [B, 3, h, h].
    """
    x, y, z = normal.unbind(1)
    return torch.stack([x, x * y, x * z], 1)


def evened(picture: Tensor, weight: Tensor, config: LightConfig) -> Tensor:
    """A picture's colours with its own smooth part divided out, as logarithms.

    Args:
        picture: [1, 3, S, S] in [-1, 1].
        weight: [1, 1, S, S] in [0, 1], where it counts.
        config: the width.
    """
    light = torch.log(linear(picture) + DARK)
    known = blur(weight, config.smooth).clamp(min=1e-3)
    return light - blur(weight * light, config.smooth) / known
