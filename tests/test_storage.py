from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from hfinv import storage
from hfinv.camera import Camera, look_at
from hfinv.errors import UsageError


@dataclass(frozen=True)
class Inner:
    weight: Tensor
    words: tuple[str, ...]


@dataclass(frozen=True)
class Everything:
    image: Tensor
    camera: Camera
    inner: Inner
    weights: dict[str, Tensor]
    spare: Tensor | None
    other: Camera | None
    psnr: float
    whole: float
    count: int
    name: str
    good: bool
    missing: str | None
    warnings: tuple[str, ...]
    pair: tuple[int, float]


def everything() -> Everything:
    rng = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, 4, 4, generator=rng)
    return Everything(
        image=image,
        camera=look_at(0.3, 0.1),
        inner=Inner(torch.tensor(2.5, requires_grad=True), ("ä", "")),
        weights={
            "b4.conv.weight": image[:, :, ::2].mT,
            "b4.conv.bias": image,
            "a": torch.arange(3),
        },
        spare=None,
        other=None,
        psnr=0.1 + 0.2,
        whole=3.0,
        count=7,
        name="näme",
        good=True,
        missing=None,
        warnings=("one", "two"),
        pair=(1, 2.0),
    )


def written(folder: Path, result: object) -> Path:
    folder.mkdir()
    storage.write(result, folder, {"key": "k"})
    return folder


def assert_same(one: object, other: object) -> None:
    if isinstance(one, Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif hasattr(one, "__dataclass_fields__"):
        assert type(one) is type(other)
        for key in one.__dataclass_fields__:
            assert_same(getattr(one, key), getattr(other, key))
    else:
        assert one == other and type(one) is type(other)


def test_a_result_of_every_kind_comes_back_as_it_was(tmp_path: Path) -> None:
    assert_same(everything(), storage.read(written(tmp_path / "a", everything()), Everything))


def test_half_precision_and_flags_keep_their_types(tmp_path: Path) -> None:
    result = Inner(torch.tensor([1.5, float("nan")]).half(), ())
    back = storage.read(written(tmp_path / "a", result), Inner)
    assert back.weight.dtype == torch.float16 and back.weight[0] == 1.5 and back.weight[1].isnan()
    flags = Inner(torch.tensor([True, False]), ("x",))
    assert_same(flags, storage.read(written(tmp_path / "b", flags), Inner))


def test_numbers_that_json_lacks_survive_in_strict_json(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", replace(everything(), psnr=float("inf"), whole=float("-inf")))

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    json.loads((folder / storage.NOTE).read_text(), parse_constant=refuse)
    back = storage.read(folder, Everything)
    assert (back.psnr, back.whole) == (float("inf"), float("-inf"))


def test_the_same_result_gives_the_same_bytes_whatever_the_order_of_its_dict(
    tmp_path: Path,
) -> None:
    result = everything()
    turned = replace(result, weights=dict(reversed(result.weights.items())))
    one, other = written(tmp_path / "a", result), written(tmp_path / "b", turned)
    for name in (storage.NOTE, storage.TENSORS):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_tensors_can_be_read_by_safetensors_alone_under_their_field_names(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", everything())
    with safe_open(folder / storage.TENSORS, "pt") as file:
        assert sorted(file.keys()) == [
            "camera.cam2world",
            "camera.intrinsics",
            "image",
            "inner.weight",
            "weights.a",
            "weights.b4.conv.bias",
            "weights.b4.conv.weight",
        ]
        assert torch.equal(file.get_tensor("camera.cam2world"), look_at(0.3, 0.1).cam2world)


@pytest.mark.parametrize("cut", [0, 8, -1])
def test_tensors_that_were_cut_off_are_refused(tmp_path: Path, cut: int) -> None:
    folder = written(tmp_path / "a", everything())
    data = (folder / storage.TENSORS).read_bytes()
    (folder / storage.TENSORS).write_bytes(data[:cut])
    with pytest.raises(ValueError, match="not those that were saved"):
        storage.read(folder, Everything)


def test_a_missing_file_another_type_and_a_half_note_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", everything().inner)
    with pytest.raises(ValueError, match="holds no Everything"):
        storage.read(folder, Everything)
    (folder / storage.TENSORS).unlink()
    with pytest.raises(ValueError, match="holds no Inner"):
        storage.read(folder, Inner)
    (folder / storage.NOTE).write_text('{"key": ')
    assert storage.read_note(folder) is None
    assert storage.read_note(tmp_path / "nowhere") is None


def test_a_field_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="`inner.words` is a set"):
        written(tmp_path / "a", replace(everything(), inner=Inner(torch.zeros(1), {"a"})))


def test_a_digest_is_the_sha256_of_the_plain_values() -> None:
    text = '["latent",{"feather":9,"rate":0.5}]'

    @dataclass(frozen=True)
    class Settings:
        rate: float = 0.5
        feather: int = 9

    assert storage.digest("latent", Settings()) == hashlib.sha256(text.encode()).hexdigest()
    assert storage.digest("latent", Settings(rate=0.25)) != storage.digest("latent", Settings())


def test_a_path_counts_by_its_files_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"label")
    other.write_bytes(b"label")
    assert storage.digest(one) == storage.digest(other)
    other.write_bytes(b"labels")
    assert storage.digest(one) != storage.digest(other)
    with pytest.raises(UsageError, match="cannot be read"):
        storage.digest(tmp_path / "none")


def test_what_has_no_plain_form_is_no_part_of_a_key() -> None:
    with pytest.raises(TypeError, match="Tensor"):
        storage.digest(torch.zeros(1))
