"""The encoder's file, its crop, and factors matched by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TOY, Ball

from hfinv.camera import look_at
from hfinv.encoders import BUNDLED, Encoder, EncoderCard, crop_of, guess, load_encoder
from hfinv.encoders.asset import save_encoder
from hfinv.errors import WeightsError
from hfinv.generators.base import Factor
from hfinv.generators.heads import Heads
from hfinv.training import card

SMALL = EncoderCard(("age", "smile"), 32, (8, 16), 1, 16, 2.7, 4.2647)


@pytest.fixture
def encoder() -> Encoder:
    """Small, with random weights and an answer that is not 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = Encoder(SMALL)
        torch.nn.init.normal_(encoder.answer.weight)
    return encoder.eval().requires_grad_(False)


@pytest.fixture
def generator() -> Heads:
    """A toy whose factors are the encoder's, in another order, with one it has never heard of."""
    names = ("smile", "wings", "age")
    about = replace(card(TOY), factors=tuple(Factor(name, name) for name in names))
    return Heads(about).eval().requires_grad_(False)


def picture() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    photo = 2 * torch.rand(1, 3, 48, 48, generator=rng) - 1
    return photo, torch.rand(1, 1, 48, 48, generator=rng), torch.ones(1, 1, 48, 48)


def test_an_untrained_encoder_guesses_the_mean_head_and_trusts_the_camera() -> None:
    z, motion = Encoder(SMALL).eval()(crop_of(*picture()), look_at(0.3))
    assert z.shape == (1, 2) and motion.shape == (1, 6)
    assert not z.any() and not motion.any()


def test_factors_are_matched_by_name_and_unknown_ones_stay_at_the_mean(
    encoder: Encoder, generator: Heads
) -> None:
    told = guess(encoder, generator, *picture(), look_at(0.2))
    (age, smile), motion = encoder(crop_of(*picture()), look_at(0.2))[0][0], told.motion
    assert torch.allclose(told.z, torch.stack([smile, torch.zeros(()), age])[None])
    assert torch.equal(told.w_plus, generator.map(told.z))
    assert age.abs() > 1e-3 and motion.abs().max() > 1e-4


def test_background_and_what_lies_outside_the_photo_change_nothing(
    encoder: Encoder, generator: Heads
) -> None:
    photo, foreground, seen = picture()
    foreground[..., :20], seen[..., 40:, :] = 0, 0
    hidden = 1 - ((foreground > 0) & (seen > 0)).float()
    one = guess(encoder, generator, photo, foreground, seen, look_at(0.0))
    two = guess(encoder, generator, photo * (1 - 2 * hidden), foreground, seen, look_at(0.0))
    assert torch.equal(one.z, two.z)


def test_the_camera_is_heard(encoder: Encoder) -> None:
    crop = crop_of(*picture())
    assert not torch.allclose(encoder(crop, look_at(0.0))[0], encoder(crop, look_at(0.4))[0])


def test_a_generator_without_factors_is_refused(encoder: Encoder, ball: Ball) -> None:
    with pytest.raises(ValueError, match="no labelled factors"):
        guess(encoder, ball, *picture(), look_at(0.0))


def test_a_saved_encoder_says_what_it_said(encoder: Encoder, tmp_path: Path) -> None:
    back = load_encoder(save_encoder(encoder, tmp_path / "e.safetensors"))
    assert back.card == SMALL
    crop = crop_of(*picture())
    for here, there in zip(encoder(crop, look_at(0.1)), back(crop, look_at(0.1))):
        assert torch.allclose(here, there, atol=2e-2)  # half precision


def test_another_kind_of_file_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    from hfinv.generators import locate

    with pytest.raises(WeightsError, match="not an encoder"):
        load_encoder(locate("heads"))
    (tmp_path / "cut").write_bytes(save_encoder(encoder, tmp_path / "e").read_bytes()[:5000])
    with pytest.raises(WeightsError, match="no usable encoder"):
        load_encoder(tmp_path / "cut")
    with pytest.raises(WeightsError, match="no encoder at"):
        load_encoder(tmp_path / "none")


def test_the_bundled_encoder_is_small_and_knows_the_bundled_generator() -> None:
    from hfinv.generators import locate
    from hfinv.generators.checkpoint import read_card

    assert BUNDLED.stat().st_size < 12e6
    known = set(load_encoder().card.factors)
    named = {factor.name for factor in read_card(locate("heads")).factors}
    assert len(known & named) > 0.8 * len(named)
