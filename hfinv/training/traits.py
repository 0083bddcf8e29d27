"""What is known of a head's looks without drawing it: the traits of `hfinv.generators.mapping`.

How light a cheek is depends on ancestry, thirty components of skin and eight factors of light, each through a curve of its
own, and a covering is there or not. Pictures of a thousand heads do not teach that to a network that sees z alone: on heads
never trained on it errs above all in the colours of whole regions, and takes coverings for hair. Those functions are known,
so w says them, and the pictures only have to teach what to do with them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from hfinv.generators.palette import Palette
from hfinv.training.extras import STEEPNESS, WORN, covering_colour, worn
from hfinv.training.factors import FACTORS, Named, of_each, of_the_prior
from hfinv.training.light import light_of, to_srgb
from hfinv.training.skin import beard_amount, cheek_colour, cloth_colour, hair_colour, mixed
from hfinv.training.strands import unit

GATES = {name: [middle, STEEPNESS] for name, middle in WORN.items()}
"""As `hfinv.generators.mapping.Gates` takes them."""
SIDES = unit(np.array([[0, 0, 1], [-1, 0, 0.3], [1, 0, 0.3], [0, 1, 0.3], [0, 0, -1]], np.float32))
"""Unit normals, world frame, towards which skin, hair and cloth are coloured: front, left, right, up, back."""
PARTS = 3
"""Cheek, crown and shirt."""
LOUD = 2.0
"""A standard deviation of a trait in w; what is learned has about one."""


def raw_traits(factors: Named) -> np.ndarray:
    """[T]: sRGB of cheek, crown and shirt in the head's light, to each of `SIDES`; then what is worn, and a beard."""
    light = light_of(factors)
    falls = light.on(SIDES, np.ones(len(SIDES)), np.clip(SIDES @ light.towards, 0, None))
    there = worn(factors, "covering")
    crown = mixed(hair_colour(factors), covering_colour(factors), np.array([there]))[0]
    albedo = np.stack([cheek_colour(factors), crown, cloth_colour(factors)])
    frames = worn(factors, "glasses") * np.array(
        [1.0, factors["glasses_size"], factors["glasses_darkness"]]
    )
    lit = to_srgb(albedo[:, None] * falls)
    return np.concatenate([lit.ravel(), [there], frames, [beard_amount(factors)]])


@cache
def spread() -> tuple[np.ndarray, np.ndarray]:
    """The traits' mean and standard deviation over the prior, [T] each."""
    found = of_the_prior(raw_traits)
    return found.mean(0), found.std(0)


@cache
def count() -> int:
    """T."""
    return len(raw_traits(Named(np.zeros(len(FACTORS)))))


def traits(z: np.ndarray) -> np.ndarray:
    """[B, Z] -> [B, T] float32, what w should say of these heads."""
    middle, std = spread()
    return (LOUD * (of_each(raw_traits, z) - middle) / std).astype(np.float32)


def trait_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of traits, [B, T] each; 1 is their variance."""
    return (found - wanted).square().mean() / LOUD**2


def fit_palette(palette: Palette) -> None:
    """Tell a palette which colours the traits are."""
    middle, std = (torch.from_numpy(x[: len(palette.middle)]).float() for x in spread())
    palette.middle.copy_(middle)
    palette.scale.copy_(std / LOUD)
