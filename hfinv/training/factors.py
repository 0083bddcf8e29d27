"""The labelled numbers of a synthetic head: z, every entry from N(0, 1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, ndtr

from hfinv.generators.base import Factor

SHAPES, SKINS = 30, 30


def _numbered(stem: str, count: int, meaning: str) -> list[Factor]:
    return [Factor(f"{stem}_{k:02d}", meaning.format(k)) for k in range(count)]


_IDENTITY = [
    Factor("gender", "-2 a woman, +2 a man"),
    Factor("age", "-2 about 20 years, 0 about 45, +2 about 88"),
    Factor("ancestry_african", "+2 African features and skin"),
    Factor("ancestry_asian", "+2 East Asian features and skin"),
    Factor("weight", "-2 a thin face, +2 a full one"),
]
_HAIR = [
    Factor("hair_length", "-2 cropped, +2 below the shoulders"),
    Factor("hair_volume", "-2 flat on the head, +2 full"),
    Factor("hair_fringe", "-2 forehead free, +2 a fringe down to the brows"),
    Factor("hair_parting", "-2 parted on the viewer's left, +2 on the right"),
    Factor("hair_curl", "-2 straight, +2 tight curls"),
    Factor("hair_density", "-2 bald on top or altogether, 0 and more a full head"),
    Factor("hair_sides", "-2 sides much shorter than the top, +2 as long"),
    Factor("hair_line", "-2 a low hairline, +2 a high or receding one"),
    Factor("hair_darkness", "-2 light blond, +2 black"),
    Factor("hair_redness", "-2 ash, +2 red"),
    Factor("hair_grey", "-2 no grey, +2 grey or white"),
    Factor("beard", "-2 shaven, +2 a dark full beard"),
    Factor("brow_darkness", "-2 light brows, +2 dark brows"),
]
EXPRESSION = [
    Factor("smile", "-2 lips at rest, +2 a broad smile"),
    Factor("jaw_open", "+1 lips apart, +2 mouth open"),
    Factor("blink", "+1 eyes half shut, +2 shut"),
    Factor("brow_up", "+2 raised brows"),
    Factor("brow_down", "+2 lowered brows"),
    Factor("frown", "+2 mouth corners drawn down"),
    Factor("pucker", "+2 pursed lips"),
    Factor("squint", "+2 narrowed eyes"),
    Factor("gaze_x", "-2 eyes to the viewer's left, +2 to the right"),
    Factor("gaze_y", "-2 eyes down, +2 up"),
]
_PAINT = [
    Factor("iris_lightness", "-2 nearly black, +2 light eyes"),
    Factor("iris_blue", "-2 brown, +2 blue"),
    Factor("iris_green", "-2 no green, +2 green"),
    Factor("lips_red", "-2 pale lips, +2 red lips"),
    Factor("light_level", "-2 dim, +2 bright"),
    Factor("light_right", "-2 light from the viewer's left, +2 from the right"),
    Factor("light_above", "-2 light from below the usual, +2 from above"),
    Factor("light_front", "-2 flat or from behind, +2 frontal"),
    Factor("light_warm", "-2 bluish light, +2 yellowish light"),
    Factor("light_tint", "-2 magenta light, +2 greenish light"),
    Factor("light_rim", "-2 dark sides, +2 lit sides"),
    Factor("light_diagonal", "brighter upper left and lower right, or the other way round"),
    Factor("cloth_lightness", "-2 black cloth, +2 white cloth"),
    Factor("cloth_red", "-2 greenish cloth, +2 reddish cloth"),
    Factor("cloth_blue", "-2 yellowish cloth, +2 bluish cloth"),
    Factor("cloth_neckline", "-2 up to the neck, +2 a low neckline"),
]

_LATER = [
    Factor("light_sun", "-2 an overcast sky, +2 hard sun with cast shadows"),
    Factor("hair_tidy", "-2 loose, frizzy strands, +2 sleek ones"),
    Factor("beard_length", "-2 stubble, +2 a long beard"),
    Factor("beard_moustache", "-2 chin and jaw only, +2 a moustache and little else"),
    Factor("brow_thickness", "-2 thin brows, +2 bushy ones"),
    Factor("lashes", "-2 hardly seen, +2 long and dark"),
    Factor("glasses", "below +1 none, +2 glasses"),
    Factor("glasses_size", "-2 small lenses, +2 large ones"),
    Factor("glasses_darkness", "-2 a light metal frame, +2 a black one"),
    Factor("covering", "below +1.2 none, +2 a cloth wrapped about the head"),
    Factor("covering_lightness", "-2 a black covering, +2 a white one"),
    Factor("covering_red", "-2 a greenish covering, +2 a reddish one"),
    Factor("covering_blue", "-2 a yellowish covering, +2 a bluish one"),
]
"""Later factors are appended, so that trained networks keep their columns."""

FACTORS: tuple[Factor, ...] = tuple(
    _IDENTITY
    + _numbered("shape", SHAPES, "principal direction {} of face shape")
    + _numbered("skin", SKINS, "principal direction {} of skin colour")
    + _HAIR
    + EXPRESSION
    + _PAINT
    + _LATER
)
INDEX: dict[str, int] = {factor.name: k for k, factor in enumerate(FACTORS)}
"""Place of each factor in z, by name."""


class Named:
    """z, read by name."""

    def __init__(self, z: np.ndarray) -> None:
        """z: [Z], N(0, 1)."""
        self.z = np.asarray(z, dtype=np.float64)
        if self.z.shape != (len(FACTORS),):
            raise ValueError(f"z is {list(self.z.shape)}, expected [{len(FACTORS)}]")

    def __getitem__(self, name: str) -> float:
        return float(self.z[INDEX[name]])

    def many(self, stem: str, count: int) -> np.ndarray:
        """[count], the numbered factors of a stem."""
        start = INDEX[f"{stem}_00"]
        return self.z[start : start + count]

    def rising(self, name: str, slope: float = 1.0, middle: float = 0.0) -> float:
        """The factor squeezed to (0, 1), one half at `middle`."""
        return float(expit(slope * (self[name] - middle)))

    @property
    def male(self) -> float:
        """0 a woman, 1 a man."""
        return self.rising("gender", 3.0)

    @property
    def age(self) -> float:
        """0 at 20 years, 1 at 90."""
        return float(ndtr(self["age"])) ** 1.5  # half are younger than 45

    @property
    def ancestry(self) -> np.ndarray:
        """[3] African, East Asian, Caucasian; sums to 1."""
        weights = np.exp(
            1.8 * np.array([self["ancestry_african"] - 0.5, self["ancestry_asian"] - 0.5, 0.0])
        )
        return weights / weights.sum()


SAMPLES = 2000
"""Heads over which the spread of numbers is taken."""


def of_each(numbers: Callable[[Named], np.ndarray], z: np.ndarray) -> np.ndarray:
    """[B, N], what a function of named factors says of each of the heads [B, Z]."""
    return np.stack([numbers(Named(one)) for one in z])


def of_the_prior(numbers: Callable[[Named], np.ndarray]) -> np.ndarray:
    """[SAMPLES, N], what it says of heads of the prior, always the same ones."""
    return of_each(numbers, np.random.default_rng(0).standard_normal((SAMPLES, len(FACTORS))))
