"""All faces, whichever way up."""

from __future__ import annotations

import numpy as np
import pytest
from intake_examples import NAMES, photo

from hfinv.intake.find import find_faces, turned, upright_turns
from hfinv.intake.landmarks import Landmarks


def check_close(points: np.ndarray, wanted: np.ndarray) -> None:
    apart = np.linalg.norm(wanted[33] - wanted[263])  # of the eyes
    errors = np.linalg.norm(points - wanted, axis=1)
    assert errors.mean() < 0.015 * apart and errors.max() < 0.05 * apart


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_upside_down_is_known_for_it(name: str) -> None:
    upright = find_faces(photo(name), 0.5, 0.5)
    found = find_faces(np.ascontiguousarray(np.rot90(photo(name), 2)), 0.5, 0.5)
    assert upright_turns(upright, 0.5) == 0 and upright_turns(found, 0.5) == 2
    assert len(upright) == len(found) == 1  # the face that seems upright in it is its twin
    back = turned(found[0], 2, 768, 768).points
    check_close(back, upright[0].points)


@pytest.mark.parametrize("turns", [1, 3])
def test_a_photo_on_its_side_is_turned_back(turns: int) -> None:
    for name in ("f1", "f6"):
        sideways = np.ascontiguousarray(np.rot90(photo(name), turns))
        found = find_faces(sideways, 0.5, 0.5)
        assert upright_turns(found, 0.5) == 4 - turns
        back = turned(found[0], 4 - turns, 768, 768).points
        wanted = find_faces(photo(name), 0.5, 0.5)[0].points
        check_close(back, wanted)


def test_the_largest_clear_face_says_which_way_is_up() -> None:
    points = find_faces(photo("f1"), 0.5, 0.5)[0].points
    upright = Landmarks(points, 20.0)
    small = turned(Landmarks(points / 3, 25.0), 1, 768, 768)
    faint = turned(Landmarks(points * 3, -5.0), 2, 768, 768)
    assert upright_turns([small, upright, faint], 0.5) == 0
    assert upright_turns([small, faint], 0.5) == 3
    assert upright_turns([faint], 0.5) == upright_turns([], 0.5) == 0
