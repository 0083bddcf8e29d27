"""Checkpoints and finished generators of fewer factors go on without a jump."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import TOY
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hfinv.errors import WeightsError
from hfinv.generators.checkpoint import save
from hfinv.generators.heads import Heads
from hfinv.training import TrainConfig, begin, card
from hfinv.training.factors import FACTORS
from hfinv.training.loop import LoopConfig
from hfinv.training.state import READERS, State, adopt, load_checkpoint, save_checkpoint, widened

NAMES = [factor.name for factor in FACTORS]
CONFIG = TrainConfig(network=TOY, loop=LoopConfig(1, 0, 0, 0))


def stepped() -> State:
    """A state whose optimiser has moments."""
    state = begin(CONFIG)
    state.generator.map(torch.randn(2, len(FACTORS))).sum().backward()
    state.optimiser.step()
    return state


def shorten(folder: Path, count: int, named: bool) -> None:
    """Make the checkpoint in a folder one of the first `count` factors."""
    path = next(folder.glob("checkpoint_*"))
    with safe_open(path, "pt") as file:
        notes = file.metadata()
    scale = (count / len(FACTORS)) ** 0.5
    tensors = load_file(path)
    for name, value in tensors.items():
        if any(reader in name for reader in READERS) and value.ndim == 2:
            tensors[name] = (value[:, :count] * (1 if "adam" in name else scale)).contiguous()
    if not named:
        notes.pop("factors")
    else:
        notes["factors"] = str(NAMES[:count]).replace("'", '"')
    save_file(tensors, path, notes)


@pytest.mark.parametrize("named", [True, False])
def test_factors_that_a_checkpoint_does_not_know_begin_without_effect(
    named: bool, tmp_path: Path
) -> None:
    old = stepped()
    save_checkpoint(old, tmp_path, keep=1)
    shorten(tmp_path, 100, named)
    new = begin(CONFIG)
    assert load_checkpoint(new, tmp_path)
    z = torch.randn(3, len(FACTORS))
    z[:, 100:] = 0
    assert torch.allclose(new.generator.map(z), old.generator.map(z), atol=1e-5)
    other = z.clone()
    other[:, 100:] = torch.randn(3, len(FACTORS) - 100)
    assert torch.equal(new.generator.map(z), new.generator.map(other))
    moments = new.optimiser.state[new.generator.mapping.linear.weight]["exp_avg_sq"]
    assert moments.shape[1] == len(FACTORS) and (moments[:, 100:] == 0).all()


def test_columns_follow_their_names_not_their_places() -> None:
    weight = torch.tensor([[1.0, 2.0]])
    wide = widened(weight, ["smile", "age"], ["age", "glasses", "smile", "gender"])
    assert torch.allclose(wide, 2**0.5 * torch.tensor([[2.0, 0.0, 1.0, 0.0]]))


def test_a_finished_generator_of_fewer_factors_is_a_start(tmp_path: Path) -> None:
    short = replace(card(TOY), factors=FACTORS[:90])
    given = Heads(short)
    save(given, tmp_path / "short.safetensors", half=False)
    state = begin(replace(CONFIG, start=str(tmp_path / "short.safetensors")))
    z = torch.randn(2, len(FACTORS))
    assert torch.allclose(state.generator.map(z), given.map(z[:, :90]), atol=1e-5)
    assert torch.equal(state.average.shared, given.shared)


def test_a_finished_generator_without_traits_gates_and_palette_is_a_start(tmp_path: Path) -> None:
    """Its pictures stay what they were, and what is new begins without effect."""
    wider = replace(CONFIG, network=replace(TOY, warp=8))
    own = card(wider.network)
    plain = {k: v for k, v in own.arguments.items() if k not in ("traits", "gates", "palette")}
    given = Heads(replace(own, arguments=plain, w_dim=own.w_dim - own.arguments["traits"]))
    with torch.no_grad():
        for parameter in given.parameters():
            parameter.normal_()
    state = begin(wider)
    given.warp.load_state_dict(state.generator.warp.state_dict())
    save(given, tmp_path / "plain.safetensors", half=False)
    state = begin(replace(wider, start=str(tmp_path / "plain.safetensors")))
    z = torch.randn(2, len(FACTORS))
    old, new = given.map(z), state.generator.map(z)
    count = own.arguments["traits"]
    assert torch.allclose(new[..., :16], old[..., :16], rtol=1e-4, atol=1e-3)
    assert torch.allclose(new[..., 16 + count :], old[..., 16:], rtol=1e-4, atol=1e-3)
    planes, own_planes = given.planes(old), state.generator.planes(new)
    features = own_planes[:, :, : TOY.plane_channels]
    washes, moves = own_planes[:, :, TOY.plane_channels :].split(3, 2)
    assert (washes == 0).all()
    assert (torch.cat([features, moves], 2) - planes).abs().max() < 1e-3 * planes.abs().max()


def test_a_checkpoint_of_another_size_is_refused_with_a_hint(tmp_path: Path) -> None:
    save_checkpoint(begin(CONFIG), tmp_path, keep=1)
    other = begin(replace(CONFIG, network=replace(TOY, hidden=8)))
    with pytest.raises(WeightsError, match="does not fit") as caught:
        load_checkpoint(other, tmp_path)
    assert "--out" in caught.value.hint
    with pytest.raises(WeightsError, match="does not fit"):
        adopt(copy.deepcopy(other.generator), begin(CONFIG).generator)


def test_a_discriminator_may_begin_later_than_its_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(stepped(), tmp_path, keep=1)
    state = begin(replace(CONFIG, loop=LoopConfig(1, 0, 0, 1)))
    fresh = copy.deepcopy(state.extras["discriminator"][0].state_dict())
    assert load_checkpoint(state, tmp_path)
    held = state.extras["discriminator"][0].state_dict()
    assert all(torch.equal(held[k], v) for k, v in fresh.items())
