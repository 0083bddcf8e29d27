"""A wrong shape is named in one sentence."""

from __future__ import annotations

import pytest
import torch

from hfinv.shapes import check


def test_letters_are_bound_and_returned() -> None:
    sizes = check(
        photo=(torch.zeros(2, 3, 4, 5), "B 3 H W"), visible=(torch.zeros(2, 1, 4, 5), "B 1 H W")
    )
    assert sizes["B"] == 2 and sizes["H"] == 4 and sizes["W"] == 5


def test_a_letter_means_one_number_across_arguments() -> None:
    with pytest.raises(
        ValueError, match=r"visible is \[2, 1, 4, 6\], expected \[B, 1, H, W\] with B=2, H=4, W=5"
    ):
        check(
            photo=(torch.zeros(2, 3, 4, 5), "B 3 H W"), visible=(torch.zeros(2, 1, 4, 6), "B 1 H W")
        )


@pytest.mark.parametrize("shape", [(2, 4, 4, 4), (2, 3, 4), (2, 3, 4, 4, 1)])
def test_numbers_stand_for_themselves_and_the_rank_counts(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="photo is"):
        check(photo=(torch.zeros(shape), "B 3 H W"))
