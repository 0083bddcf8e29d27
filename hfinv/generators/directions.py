"""Labelled directions in w: what to add to a head's latent to make it smile, age, or stand in other light.

z is labelled and its entries are independent, so the directions are a regression of w on all factors at once,
w = a + B z + rest, over samples of the mapping. Two things follow:

- Column k of B is what one standard deviation of factor k does to w with all other factors held: by the theorem of
  Frisch, Waugh and Lovell, regressing on all together is regressing on what is left of each factor once the others
  are taken out of it. That is the orthogonalisation against identity and light which directions found from labelled
  pictures need (Shen et al., CVPR 2020, "InterFaceGAN", project the normals of their boundaries instead). Cameras are
  no part of w here. Moving along a column changes the linear read-out of its own factor by 1 and of the others by 0.
- The columns are not made orthogonal in w itself: B has more rows than columns, and taking from a smile whatever it
  shares with age in w would take away what the generator draws the smile with.

Some factors do nothing until they are large: a mouth opens from +1 on. A straight line through all of z's range would hardly
open it, so `Directions.along` follows the mapping itself, w with the factor at that amount less w with it at 0, averaged
over the others; for small amounts that is the column.

They come from the generator's own mapping whenever they are asked for, in a fraction of a second, so they can never
be those of another generator.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hfinv.errors import UsageError, WeightsError
from hfinv.generators.base import Generator

SAMPLES = 8192
"""Samples of the mapping that the regression sees."""
PATH_SAMPLES = 512
"""Samples over which a factor's effect at one amount is averaged."""
REACH = 2.5
"""Standard deviations that a factor may sensibly be moved: 99 of 100 heads lie within."""
GROUPS: dict[str, tuple[str, ...]] = {
    "identity": ("gender", "age", "ancestry", "weight", "shape"),
    "skin": ("skin", "lips", "brow_darkness"),
    "hair": ("hair", "beard"),
    "expression": ("smile", "jaw", "brow", "frown", "pucker", "squint", "blink"),
    "eyes": ("gaze", "iris", "blink", "lashes"),
    "extras": ("glasses", "covering"),
    "light": ("light",),
    "cloth": ("cloth",),
}
"""Names of groups, and how the names of their factors begin."""


@dataclass(frozen=True)
class Directions:
    """N directions in w."""

    names: tuple[str, ...]
    """Of the factors, such as `smile`."""
    meanings: tuple[str, ...]
    """What -2 and +2 look like."""
    vectors: Tensor
    """[N, D], the slopes; once a row is one standard deviation of its factor."""
    ranges: Tensor
    """[N, 2], how far each may be followed down and up, in standard deviations."""
    explained: float
    """Share of the variance of w that the regression explains, in [0, 1]; the rest is not linear."""
    refused: tuple[tuple[str, str], ...] = ()
    """Names and files of trained directions that belong to another generator."""
    bent: Callable[[int, float], Tensor] | None = None
    """Place and amount of a labelled factor -> [D], what it does to w; None follows the slopes."""
    labelled: int = 0
    """How many of the names, the first ones, `bent` knows."""

    def along(self, name: str, amount: float = 1.0) -> Tensor:
        """[D], what to add to each row of w_plus for `amount` standard deviations of a factor.

        Raises:
            UsageError: there is no such factor.
        """
        index = self.index(name)
        if self.bent is not None and index < self.labelled:
            return self.bent(index, amount)
        return amount * self.vectors[index]

    def index(self, name: str) -> int:
        """Place of a factor.

        Raises:
            UsageError: there is none of that name; the hint names the nearest.
            WeightsError: there is one, but for another generator.
        """
        if name not in self.names:
            for refused, path in self.refused:
                if refused == name:
                    raise another(name, path)
            near = difflib.get_close_matches(name, self.names, 1)
            hint = f"did you mean `{near[0]}`?" if near else "`hfinv edit RUN --list` names them"
            raise UsageError(f"this generator has no direction `{name}`", hint)
        return self.names.index(name)

    def group(self, name: str) -> tuple[str, ...]:
        """Names of the factors of a group, in order.

        Raises:
            UsageError: there is no such group.
        """
        if name not in GROUPS:
            raise UsageError(f"there is no group `{name}`", f"groups are {', '.join(GROUPS)}")
        return tuple(n for n in self.names if n.startswith(GROUPS[name]))


def another(name: str, path: str | Path) -> WeightsError:
    """What to say of a trained direction that belongs to another generator."""
    return WeightsError(
        f"the direction `{name}` at `{path}` was trained for another generator",
        "train it for this one: `hfinv direction train`",
    )


@torch.no_grad()
def directions(generator: Generator, samples: int = SAMPLES) -> Directions:
    """The labelled directions of a generator, always the same for the same weights.

    Args:
        generator: with factors on its card.
        samples: of the mapping; more than its factors.

    Raises:
        UsageError: its z is not labelled.
    """
    factors = generator.card.factors
    if not factors:
        raise UsageError(
            f"the generator {generator.card.name!r} has no labelled factors",
            "train one: `hfinv direction train`",
        )
    mean = generator.mean_latent()
    # Each z beside its negative: the sample's mean is then exactly 0, and even terms cannot leak into B.
    half = torch.randn(samples // 2, len(factors), generator=torch.Generator().manual_seed(0))
    z = torch.cat([half, -half])
    w = generator.map(z.to(mean.device))[:, 0].double().cpu()
    centred = w - w.mean(0)
    slopes = torch.linalg.lstsq(z.double(), centred).solution  # [N, D]
    rest = (centred - z.double() @ slopes).square().sum() / centred.square().sum()
    return Directions(
        names=tuple(factor.name for factor in factors),
        meanings=tuple(factor.meaning for factor in factors),
        vectors=slopes.to(mean),
        ranges=mean.new_tensor([-REACH, REACH]).repeat(len(factors), 1),
        explained=1 - float(rest),
        bent=lambda index, amount: effect(generator, index, amount),
        labelled=len(factors),
    )


@torch.no_grad()
def effect(generator: Generator, index: int, amount: float) -> Tensor:
    """[D], how w changes on average when a factor goes from 0 to an amount and all others stay.

    Args:
        generator: with factors on its card.
        index: the factor's place.
        amount: standard deviations.
    """
    count = len(generator.card.factors)
    half = torch.randn(PATH_SAMPLES // 2, count, generator=torch.Generator().manual_seed(1))
    still = torch.cat([half, -half]).to(generator.mean_latent())
    still[:, index] = 0
    moved = still.clone()
    moved[:, index] = amount
    return (generator.map(moved) - generator.map(still))[:, 0].mean(0)
