"""Directions against mappings whose slopes are known."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch
from conftest import Ball

from hfinv.errors import UsageError
from hfinv.generators import load_generator
from hfinv.generators.base import Factor
from hfinv.generators.directions import GROUPS, directions


class Bent(Ball):
    """A ball whose w is a known matrix times z, plus even terms that no direction may contain."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.randn(3, self.card.w_dim, generator=torch.Generator().manual_seed(4))
        factors = tuple(Factor(name, f"+2 {name}") for name in ("smile", "age", "light_right"))
        self.card = replace(self.card, factors=factors)

    def map(self, z: torch.Tensor, truncation: float = 1.0) -> torch.Tensor:
        w = z @ self.matrix + 0.3 * z[:, :1] * z[:, 1:2] + 0.2 * z[:, 2:].square() + 1.0
        return w[:, None].repeat(1, self.card.num_ws, 1)


def test_the_slopes_of_a_known_mapping_are_found_without_its_even_terms() -> None:
    found = directions(Bent())
    assert torch.allclose(found.vectors, Bent().matrix, atol=1e-4)
    assert 0.5 < found.explained < 1


def test_along_a_bent_path_a_factor_does_what_the_mapping_does() -> None:
    found, matrix = directions(Bent()), Bent().matrix
    assert torch.allclose(found.along("light_right", 2.0), 2 * matrix[2] + 0.8, atol=1e-4)
    assert torch.allclose(found.along("light_right", -1.0), 0.2 - matrix[2], atol=1e-4)
    assert torch.allclose(found.along("smile", 1.5), 1.5 * matrix[0], atol=1e-4)
    assert (found.along("age", 0.0) == 0).all()


def test_a_linear_read_out_moves_by_one_along_its_own_direction_alone() -> None:
    generator = load_generator("heads")
    found = directions(generator)
    read = torch.linalg.pinv(found.vectors.double())  # [D, N]
    assert torch.allclose(
        found.vectors.double() @ read, torch.eye(len(found.names)).double(), atol=1e-5
    )


def test_the_bundled_generators_directions_come_in_under_a_second_and_stay_the_same() -> None:
    generator = load_generator("heads")
    start = time.process_time()
    one = directions(generator)
    assert time.process_time() - start < 1.5  # a shared machine
    assert torch.equal(one.vectors, directions(generator).vectors)
    assert one.vectors.shape == (len(one.names), generator.card.w_dim)
    assert one.ranges.shape == (len(one.names), 2) and one.explained > 0.5


def test_one_deviation_of_a_factor_is_what_the_mapping_does_on_average() -> None:
    generator = load_generator("heads")
    found = directions(generator)
    z = torch.randn(4096, len(found.names), generator=torch.Generator().manual_seed(9))
    up = torch.zeros(len(found.names))
    up[found.index("smile")] = 0.5
    change = (generator.map(z + up) - generator.map(z - up))[:, 0].mean(0)
    away = (change - found.vectors[found.index("smile")]).norm() / change.norm()
    assert away < 0.1


def test_plain_names_and_groups_are_found() -> None:
    found = directions(load_generator("heads"))
    for name in ("smile", "age", "gender"):
        assert found.meanings[found.index(name)]
    assert {name for group in GROUPS for name in found.group(group)} == set(found.names)
    assert "smile" in found.group("expression") and "light_right" in found.group("light")


def test_unknown_names_and_unlabelled_generators_are_refused_with_a_hint(ball: Ball) -> None:
    found = directions(Bent())
    with pytest.raises(UsageError, match="no direction `smlie`") as caught:
        found.along("smlie")
    assert caught.value.hint == "did you mean `smile`?"
    with pytest.raises(UsageError, match="no group"):
        found.group("noses")
    with pytest.raises(UsageError, match="no labelled factors"):
        directions(ball)
