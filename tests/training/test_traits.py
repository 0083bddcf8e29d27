"""Traits say of a head what its mesh shows."""

from __future__ import annotations

import numpy as np
import torch

from hfinv.training.factors import FACTORS, INDEX, Named
from hfinv.training.heads import CLOTH, build_head
from hfinv.training.skin import bare_albedo, cheek_colour, skin_albedo, zones
from hfinv.training.traits import (
    GATES,
    LOUD,
    SIDES,
    count,
    raw_traits,
    spread,
    trait_loss,
    traits,
)

COLOURS = 3 * len(SIDES)


def head(seed: int, **factors: float) -> np.ndarray:
    z = np.random.default_rng(seed).standard_normal(len(FACTORS)).astype(np.float32)
    for name, value in factors.items():
        z[INDEX[name]] = value
    return z


def lit(z: np.ndarray, material: int) -> np.ndarray:
    """[5, 3] sRGB of cheek, crown or shirt, to all sides."""
    found = raw_traits(Named(z))
    return found[material * COLOURS : (material + 1) * COLOURS].reshape(-1, 3)


def test_cheeks_are_as_light_as_the_skin_of_the_mesh() -> None:
    for seed in range(4):
        factors = Named(head(seed))
        skin = skin_albedo(factors)[zones().cheeks > 0.5].mean(0)
        assert np.allclose(cheek_colour(factors), skin, rtol=0.15)  # details of single faces apart


def test_stored_grey_stays_grey() -> None:
    assert np.ptp(bare_albedo(np.full((2, 3), 0.5))) < 1e-6


def test_a_shirt_and_a_covering_have_the_colours_that_the_mesh_has() -> None:
    """Within what shadow takes away: no vertex is lighter than its colour in full light, and most are not far off."""
    for covered in (False, True):
        z = head(
            3, covering=2.0 if covered else 0.0, cloth_red=1.5, covering_red=-1.5, light_sun=-2
        )
        built = build_head(z)
        above = built.vertices[:, 1] > 0
        chosen = built.part == CLOTH
        chosen &= above if covered else ~above
        assert chosen.any()
        shown, said = built.colours[chosen].mean(0), lit(z, 1 if covered else 2).mean(0)
        assert np.allclose(shown / shown.sum(), said / said.sum(), atol=0.03)
        assert 0.6 < shown.sum() / said.sum() < 1.1


def test_light_from_one_side_falls_on_that_side() -> None:
    left, right = (lit(head(0, light_right=side), 0).mean(1) for side in (-2.0, 2.0))
    assert left[1] > left[2] and right[2] > right[1]
    assert left[1] > right[1]


def test_a_covering_counts_only_where_it_is_worn() -> None:
    bare = [raw_traits(Named(head(1, covering=1.0, covering_red=red))) for red in (-2.0, 2.0)]
    assert np.allclose(*bare)
    worn = [raw_traits(Named(head(1, covering=2.0, covering_red=red))) for red in (-2.0, 2.0)]
    assert np.abs(worn[0] - worn[1]).max() > 0.1
    assert set(GATES) == {"glasses", "covering"}


def test_traits_have_one_spread() -> None:
    z = np.random.default_rng(9).standard_normal((1500, len(FACTORS)))
    found = traits(z)
    assert found.shape == (1500, count()) and found.dtype == np.float32
    assert np.allclose(found.std(0), LOUD, rtol=0.25)
    wrong = torch.zeros(1500, count())
    assert abs(trait_loss(wrong, torch.from_numpy(found)).item() - 1) < 0.1
    assert spread()[0].shape == (count(),)
