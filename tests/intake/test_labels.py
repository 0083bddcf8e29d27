"""Cameras that somebody else measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hfinv.camera import look_at
from hfinv.errors import PhotoError
from hfinv.intake.labels import read_camera

LABEL = look_at(0.3, 0.1).label()[0].tolist()


def written(folder: Path, content: object) -> str:
    path = folder / "camera.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_twenty_five_numbers_are_a_camera(tmp_path: Path) -> None:
    camera = read_camera(written(tmp_path, LABEL))
    torch.testing.assert_close(camera.label()[0], torch.tensor(LABEL))


@pytest.mark.parametrize("form", ["dataset", "object"])
def test_a_camera_is_found_by_its_name(tmp_path: Path, form: str) -> None:
    other = look_at(-0.2).label()[0].tolist()
    pairs = [["00001.png", other], ["00002.png", LABEL]]
    path = written(tmp_path, {"labels": pairs} if form == "dataset" else dict(pairs))
    torch.testing.assert_close(read_camera(path, "00002.png").label()[0], torch.tensor(LABEL))


def test_the_only_camera_of_a_file_needs_no_name(tmp_path: Path) -> None:
    camera = read_camera(written(tmp_path, {"labels": [["a.png", LABEL]]}))
    torch.testing.assert_close(camera.label()[0], torch.tensor(LABEL))


def test_a_wrong_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, {"labels": [["anna.png", LABEL], ["zoe.png", LABEL]]})
    with pytest.raises(PhotoError, match="has no camera named `ana.png`") as caught:
        read_camera(path, "ana.png")
    assert caught.value.hint.startswith("the nearest names are `anna.png`")
    assert caught.value.exit_code == 3


def test_of_several_cameras_one_must_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, {"labels": [["a.png", LABEL], ["b.png", LABEL]]})
    with pytest.raises(PhotoError, match="holds 2 cameras, and none was chosen") as caught:
        read_camera(path)
    assert "--camera-key a.png" in caught.value.hint


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("not json", "is not JSON"),
        (LABEL[:24], "holds 24 numbers, where a camera has 25 numbers"),
        ({"a": LABEL + [0.0]}, "at `a` holds 26 numbers"),
        ({"a": "front"}, "holds something else, where a camera has 25"),
        ({"labels": None}, "holds no cameras"),
        ({"labels": []}, "holds no cameras"),
        (3, "holds no cameras"),
        ([2.0 * n for n in LABEL], "they hold no rotation"),
        ([-LABEL[0], -LABEL[1], -LABEL[2], *LABEL[3:]], "they hold no rotation"),
        ([*LABEL[:15], 0.0, *LABEL[16:]], "must end in 0, 0, 0, 1"),
        ([*LABEL[:16], 0.0, *LABEL[17:]], "the focal length be positive"),
        ("[" + ", ".join(["NaN"] * 25) + "]", "not finite"),
    ],
)
def test_what_is_no_camera_is_told_apart(tmp_path: Path, content: object, sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence):
        read_camera(written(tmp_path, content))


def test_an_unreadable_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="cannot be read .No such file"):
        read_camera(str(tmp_path / "none.json"))
    with pytest.raises(PhotoError, match="cannot be read .Is a directory"):
        read_camera(str(tmp_path))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PhotoError, match="is not JSON"):
        read_camera(str(tmp_path / "bytes.json"))
