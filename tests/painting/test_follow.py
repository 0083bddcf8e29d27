"""Paint that follows a face: pictures of one face, shifted by a known number of pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from painting_examples import CAMERA, PaintableBall, portrait, red_disc

from hfinv.image import to_tensor
from hfinv.painting.follow import GRID, follow, landmarks, motion, moved

SIZE = 256


@pytest.fixture(scope="module")
def face() -> torch.Tensor:
    return to_tensor(np.array(portrait(SIZE)))


def test_a_face_that_moved_is_followed(face) -> None:
    shifted = face.roll((6, 10), (2, 3))
    came_from = motion(shifted, face)
    assert came_from is not None and came_from.shape == (1, 2, GRID, GRID)
    spot = torch.zeros(1, 1, SIZE, SIZE)
    middle = ((landmarks(face)[1] + 1) / 2 * SIZE).round().astype(int)  # the tip of the nose
    spot[..., middle[1] - 3 : middle[1] + 3, middle[0] - 3 : middle[0] + 3] = 1
    there = moved(spot, came_from)[0, 0]
    step = torch.arange(SIZE) + 0.5
    x, y = (there.sum(0) * step).sum() / there.sum(), (there.sum(1) * step).sum() / there.sum()
    assert abs(x - middle[0] - 10) < 1.5 and abs(y - middle[1] - 6) < 1.5


def test_no_motion_moves_nothing(face) -> None:
    step = (torch.arange(GRID) + 0.5) / GRID * 2 - 1
    y, x = torch.meshgrid(step, step, indexing="ij")
    assert torch.allclose(moved(face, torch.stack([x, y])[None]), face, atol=1e-3)


def test_a_picture_without_a_face_has_no_motion(face) -> None:
    assert motion(torch.zeros_like(face), face) is None


def test_on_the_head_of_the_crop_the_change_leads_to_the_painted_colours() -> None:
    ball = PaintableBall(image_size=96)
    paint = red_disc(ball, 96)
    change = follow(ball, paint, ball.mean_latent())
    before = ball.render(ball.planes(paint.w_plus), paint.w_plus, CAMERA, background=0.0).image
    assert torch.allclose(
        paint.mask * (before + change.colour), paint.mask * paint.colour, atol=1e-5
    )
    assert torch.equal(change.mask, paint.mask)
