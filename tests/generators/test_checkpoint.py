"""Generators as files: what goes in comes out, and what is wrong is said."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fixtures import recorded
from safetensors.torch import load_file, save_file

from hfinv.errors import WeightsError
from hfinv.generators import BUNDLED, GENERATORS, family, load_generator
from hfinv.generators.archive import kind_of
from hfinv.generators.base import Factor
from hfinv.generators.checkpoint import file_hash, load, read_card, save
from hfinv.generators.eg3d import EG3D, official_card


@pytest.fixture(scope="module")
def generator() -> EG3D:
    torch.manual_seed(0)
    card = official_card("tiny", recorded("eg3d_tiny")[0]["init_kwargs"], 64)
    arguments = card.arguments | {"channel_base": 512, "channel_max": 4, "plane_order": "fixed"}
    card = replace(
        card, arguments=arguments, factors=(Factor("age", "young to old"),), licence="CC0"
    )
    return EG3D(card).requires_grad_(False)


@pytest.fixture
def saved(generator: EG3D, tmp_path: Path) -> Path:
    save(generator, tmp_path / "g.safetensors")
    return tmp_path / "g.safetensors"


def test_card_and_weights_come_back(generator: EG3D, saved: Path) -> None:
    found = load(saved)
    assert replace(found.card, arguments={}) == replace(generator.card, arguments={})
    assert found.architecture == generator.architecture
    assert found.architecture.plane_order == "fixed"
    assert read_card(saved) == found.card
    for name, tensor in generator.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor.half().float())
    assert not any(p.requires_grad for p in found.parameters()) and not found.training


def test_full_precision_comes_back_exactly_and_half_is_half_as_large(
    generator: EG3D, saved: Path, tmp_path: Path
) -> None:
    save(generator, tmp_path / "full.safetensors", half=False)
    found = load(tmp_path / "full.safetensors").state_dict()
    assert all(torch.equal(found[name], t) for name, t in generator.state_dict().items())
    assert saved.stat().st_size < 0.6 * (tmp_path / "full.safetensors").stat().st_size


def test_numbers_beyond_half_precision_are_kept(generator: EG3D, tmp_path: Path) -> None:
    before = generator.decoder.net[0].bias.clone()
    generator.decoder.net[0].bias.fill_(1e6)
    save(generator, tmp_path / "g.safetensors")
    generator.decoder.net[0].bias.copy_(before)
    assert load(tmp_path / "g.safetensors").decoder.net[0].bias.eq(1e6).all()


def test_the_same_generator_makes_the_same_bytes(
    generator: EG3D, saved: Path, tmp_path: Path
) -> None:
    save(generator, tmp_path / "again.safetensors")
    assert file_hash(saved) == file_hash(tmp_path / "again.safetensors")
    assert file_hash(saved) == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert not list(tmp_path.glob("*.part"))


def entry_of(path: Path) -> dict:
    """The format and card in a file's header."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["hfinv"])


def rewrite(path: Path, entry: str | None = None, **changes: torch.Tensor | None) -> None:
    """Change the header's entry and tensors of a file (`__` for a dot); None removes."""
    entry = json.dumps(entry_of(path)) if entry is None else entry
    state = load_file(path) | {k.replace("__", "."): v for k, v in changes.items()}
    save_file({k: v for k, v in state.items() if v is not None}, path, {"hfinv": entry})


def refused(path: Path) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        load(path)
    assert caught.value.hint
    return caught.value


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "nowhere.safetensors" in refused(tmp_path / "nowhere.safetensors").message
    with pytest.raises(WeightsError, match="nowhere"):
        file_hash(tmp_path / "nowhere.safetensors")


def test_a_header_whose_length_looks_like_a_pickle_is_no_pickle() -> None:
    for length in (0x0280, 0x0480, 0x4B50):
        assert kind_of(length.to_bytes(8, "little") + b"{") == "safetensors"
    assert kind_of(b"\x80\x04\x95\x10\0\0\0\0\0") == "pickle"
    assert kind_of(b"\x80\x02}q\x00(X\x01\0") == "pickle"
    assert kind_of(b"PK\x03\x04\0\0\x08\x08\0") == "archive"
    assert kind_of(b"") == kind_of(b"hello") == "safetensors"


def test_a_directory_a_text_and_a_cut_off_file_are_refused(saved: Path, tmp_path: Path) -> None:
    refused(tmp_path)
    (tmp_path / "text.safetensors").write_text("not weights")
    assert "not a safetensors file" in refused(tmp_path / "text.safetensors").message
    saved.write_bytes(saved.read_bytes()[:5000])
    assert "cut off" in refused(saved).message


def test_a_foreign_safetensors_file_is_refused(saved: Path) -> None:
    save_file({"x": torch.zeros(1)}, saved)
    assert "not a generator of hfinv" in refused(saved).message
    save_file({"x": torch.zeros(1)}, saved, {"format": "pt"})
    assert "not a generator of hfinv" in refused(saved).message


def test_a_missing_an_unknown_and_a_misshaped_tensor_are_named(saved: Path) -> None:
    whole = saved.read_bytes()
    rewrite(saved, decoder__net__0__bias=None)
    assert "lacks decoder.net.0.bias (1 of 177 tensors)" in refused(saved).message
    saved.write_bytes(whole)
    rewrite(saved, decoder__net__0__bias=torch.zeros(3))
    assert "decoder.net.0.bias is [3], expected [64]" in refused(saved).message
    saved.write_bytes(whole)
    rewrite(saved, extra=torch.zeros(3))
    assert "unknown extra" in refused(saved).message


@pytest.mark.parametrize("entry", ["{", "[]", '{"format": "hfinv generator 1", "card": {}}'])
def test_a_broken_card_is_refused(saved: Path, entry: str) -> None:
    rewrite(saved, entry)
    assert "cannot be read" in refused(saved).message


def test_a_file_of_a_later_format_is_refused(saved: Path) -> None:
    rewrite(saved, json.dumps(entry_of(saved) | {"format": "hfinv generator 99"}))
    assert "hfinv generator 99" in refused(saved).message


@pytest.mark.parametrize("change", [{"family": "eg3"}, {"arguments": {"depth": 3}}])
def test_a_card_of_an_unknown_family_or_argument_is_refused(saved: Path, change: dict) -> None:
    entry = entry_of(saved)
    rewrite(saved, json.dumps(entry | {"card": entry["card"] | change}))
    error = refused(saved)
    if "family" in change:
        assert "unknown generator family 'eg3'" in error.message and "'eg3d'" in error.hint
    else:
        assert "depth" in error.message


def test_an_unwritable_place_is_a_sentence(generator: EG3D, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot write"):
        save(generator, tmp_path / "missing folder" / "g.safetensors")


def test_a_generator_is_found_by_path_and_a_misspelt_name_gets_the_nearest(saved: Path) -> None:
    assert load_generator(str(saved), "cpu").card.name == "tiny"
    with pytest.raises(WeightsError, match="unknown generator 'haeds'") as caught:
        load_generator("haeds")
    assert "'heads'" in caught.value.hint
    with pytest.raises(WeightsError, match="no weights at `some/file.safetensors`"):
        load_generator("some/file.safetensors")


def test_every_family_can_be_imported_and_every_bundled_generator_has_one_home() -> None:
    assert all(isinstance(family(name), type) for name in GENERATORS)
    assert all(path.suffix == ".safetensors" and path.is_absolute() for path in BUNDLED.values())
