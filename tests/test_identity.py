"""Likeness of faces: the same in a mirror, different between people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hfinv.errors import WeightsError
from hfinv.identity import CHIP, MEAN_FACE, POINTS, Descriptor, Identity, chip_from_picture
from hfinv.image import read
from hfinv.intake.resample import apply, similarity

FACES = Path(__file__).parent.parent / "examples" / "faces"


def test_one_face_is_near_its_mirror_image_and_far_from_another_face() -> None:
    identity = Identity()
    first, second = (np.ascontiguousarray(read(FACES / f"{n}.jpg")[::2, ::2]) for n in ("f1", "f2"))
    mirrored = identity.distance(np.ascontiguousarray(first[:, ::-1]), first)
    # 200 portraits: mirrored 0.17, 99 % below 0.26; of different people half beyond 0.85, 95 % beyond 0.55
    assert 0.01 < mirrored < 0.3
    assert identity.distance(second, first, same_camera=False) > 0.55


def test_a_picture_without_a_face_has_no_distance() -> None:
    grey = np.full((160, 160, 3), 127, np.uint8)
    assert np.isnan(Identity().distance(grey, grey))


def test_a_face_that_lies_as_the_mean_face_does_is_only_scaled_shifted_and_turned_to_it() -> None:
    chip = CHIP * (0.25 + MEAN_FACE) / 1.5
    away = similarity(2.5, 0.3, np.array([70.0, 60.0]), np.array([310.0, 200.0]))
    points = np.zeros((468, 2))
    points[list(POINTS)] = apply(away, chip)
    assert np.allclose(apply(chip_from_picture(points), points[list(POINTS)]), chip, atol=1e-9)


def test_the_descriptor_has_a_gradient_in_its_input() -> None:
    chip = torch.zeros(1, 3, CHIP, CHIP, requires_grad=True)
    found = Descriptor()(chip)
    found.square().sum().backward()
    assert found.shape == (1, 128) and chip.grad.abs().sum() > 0


def test_missing_weights_are_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="face descriptor is not at"):
        Descriptor(tmp_path / "none.safetensors")
