"""How likely latents are: against a Gaussian worked out by hand, and against the bundled generator's own heads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import Ball
from torch import Tensor

from hfinv.generators import load_generator
from hfinv.generators.base import Factor
from hfinv.generators.heads import Heads
from hfinv.prior import LEAST, Prior


class Twins(Ball):
    """The last two numbers of its w are always the same."""

    TRAITS = slice(2, 4)

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        w = torch.cat([z[:, :2], z[:, 2:3], z[:, 2:3]], 1)
        return w[:, None].repeat(1, self.card.num_ws, 1)

    def mean_latent(self) -> Tensor:
        return torch.zeros(1, self.card.num_ws, 4)

    def latent_scale(self) -> Tensor:
        return torch.ones(1, 1, 4)


@pytest.fixture
def twins() -> Twins:
    made = Twins()
    made.card = replace(
        made.card, w_dim=4, factors=(Factor("a", ""), Factor("b", ""), Factor("c", ""))
    )
    return made


@pytest.fixture(scope="module")
def heads() -> Heads:
    return load_generator("heads")


def test_a_generator_without_traits_has_each_number_by_itself() -> None:
    offset = torch.tensor([[[1.0, -2.0, 0.0, 1.0]]])
    assert Prior(Ball(), 10.0).unlikely(offset).item() == pytest.approx(6 / 4)


def test_what_always_goes_together_is_unlikely_to_part(twins: Twins) -> None:
    prior = Prior(twins, 10.0)
    same, apart = (torch.tensor([[[1.0, 0.0, 1.0, sign]]]) for sign in (1.0, -1.0))
    # Along (1, 1) the variance is 2, along (1, -1) it is 0; both points lie sqrt(2) out, and alone have 3 / 4.
    assert prior.unlikely(same).item() == pytest.approx(0.75 + 10 * 2 / (2 + LEAST) / 4, rel=0.05)
    assert prior.unlikely(apart).item() == pytest.approx(0.75 + 10 * 2 / LEAST / 4, rel=1e-3)
    assert Prior(twins, 0.0).unlikely(apart).item() == pytest.approx(0.75)


def test_rows_count_by_their_mean(twins: Twins) -> None:
    prior = Prior(twins, 10.0)
    rows = torch.tensor([[[1.0, 0.0, 1.0, 1.0], [0.0, 0.5, 1.0, -1.0]]])
    each = [prior.unlikely(rows[:, k : k + 1]).item() for k in range(2)]
    assert prior.unlikely(rows).item() == pytest.approx(sum(each) / 2)


def test_a_blue_back_is_less_likely_than_any_head_of_the_bundled_generator(heads: Heads) -> None:
    prior = Prior(heads, 10.0)
    z = torch.randn(200, len(heads.card.factors), generator=torch.Generator().manual_seed(7))
    offsets = (heads.map(z)[:, :1] - heads.mean_latent()[:, :1]) / heads.latent_scale()
    theirs = torch.stack([prior.unlikely(offset[None]) for offset in offsets])
    assert theirs.median() < 5
    blue = torch.zeros_like(offsets[:1])
    sides = 5
    back = prior.part.start + 3 * (2 * sides - 1)  # after five sides of cheek: crown's last side
    blue[0, 0, back : back + 3] = torch.tensor([-0.8, 1.6, 2.3])  # an inversion without this had it
    assert prior.unlikely(blue) > theirs.max()
    # By themselves they are likely.
    assert blue.square().mean() < offsets.square().mean((1, 2)).min()


def test_gradients_pull_parted_traits_together(twins: Twins) -> None:
    offset = torch.tensor([[[0.0, 0.0, 1.0, 0.5]]], requires_grad=True)
    Prior(twins, 10.0).unlikely(offset).backward()
    assert offset.grad[0, 0, 2] > 0 > offset.grad[0, 0, 3]
