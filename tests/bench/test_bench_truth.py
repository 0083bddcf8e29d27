"""Data directories: read as they are meant, and refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bench_examples import write_balls
from conftest import Ball

from hfinv.bench.truth import look, read_heads
from hfinv.errors import HfinvError, PhotoError, UsageError
from hfinv.image import save_png


def test_the_views_are_the_balls_and_depth_becomes_distance_along_the_ray(tmp_path: Path) -> None:
    write_balls(tmp_path)
    first, second = read_heads(tmp_path)
    assert [view.name for view in first.views] == ["input", "yaw+30", "pitch-10"]
    seen = look(second.views[1])
    ball = Ball(image_size=64, rays=64)
    drawn = ball.render(ball.planes(ball.mean_latent() + 0.1), ball.mean_latent(), seen.camera)
    on = drawn.opacity > 0.5
    assert torch.equal(seen.foreground > 0.5, on)
    assert (seen.distance - drawn.distance)[on].abs().max() < 1e-5
    assert (seen.distance[~on] == 0).all()
    assert (seen.image - drawn.image)[on.expand(-1, 3, -1, -1)].abs().max() < 1 / 127


def test_the_fingerprint_changes_with_any_byte(tmp_path: Path) -> None:
    write_balls(tmp_path, heads=1)
    before = read_heads(tmp_path)[0].fingerprint()
    assert read_heads(tmp_path)[0].fingerprint() == before
    mask = tmp_path / "ball0" / "yaw+30_mask.png"
    save_png(mask, np.full((64, 64), 255, np.uint8))
    assert read_heads(tmp_path)[0].fingerprint() != before


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path, dict[str, Any]], None]:
    """A fault in `cameras.json`."""

    def spoil(folder: Path, content: dict[str, Any]) -> None:
        change(content)
        (folder / "cameras.json").write_text(json.dumps(content))

    return spoil


def view_of(content: dict[str, Any]) -> dict[str, Any]:
    return content["heads"][0]["views"]["yaw+30"]


def spoilt_depth(value: float) -> Callable[[Path, dict[str, Any]], None]:
    def spoil(folder: Path, content: dict[str, Any]) -> None:
        depth = np.ones((64, 64), np.float32)
        depth[3, 3] = value
        np.savez(folder / view_of(content)["depth"], depth=depth)

    return spoil


SPOILT = {
    "yaw+30.png` is missing": lambda f, c: (f / view_of(c)["image"]).unlink(),
    "yaw+30_mask.png` is missing": lambda f, c: (f / view_of(c)["mask"]).unlink(),
    "yaw+30_depth.npz` is missing": lambda f, c: (f / view_of(c)["depth"]).unlink(),
    "there is no `": lambda f, c: (f / "cameras.json").unlink(),
    "is not JSON": lambda f, c: (f / "cameras.json").write_text("{"),
    "has no list `heads`": edited(lambda c: c.pop("heads")),
    "has no `name`": edited(lambda c: c["heads"][0].pop("name")),
    "has no `views`": edited(lambda c: c["heads"][0].pop("views")),
    "has no view `input`": edited(lambda c: c["heads"][0]["views"].pop("input")),
    "has no `mask`": edited(lambda c: view_of(c).pop("mask")),
    "has no `label`": edited(lambda c: view_of(c).pop("label")),
    "has 24 numbers, not 25": edited(lambda c: view_of(c)["label"].pop()),
    "is not a list of numbers": edited(lambda c: view_of(c).update(label="frontal")),
    "its rotation does not turn": edited(lambda c: view_of(c).update(label=[0.0] * 25)),
    "two heads named `ball0`": edited(lambda c: c["heads"].append(c["heads"][0])),
    "is 32 x 32, but its picture is 64 x 64": lambda f, c: save_png(
        f / view_of(c)["mask"], np.zeros((32, 32), np.uint8)
    ),
    "holds numbers that are not finite": spoilt_depth(np.nan),
    "holds negative numbers": spoilt_depth(-1.0),
    "has no array `depth`": lambda f, c: np.savez(f / view_of(c)["depth"], z=np.ones((64, 64))),
    "is no npz file": lambda f, c: (f / view_of(c)["depth"]).write_bytes(b"PK\3\4 not a zip"),
    "not square": lambda f, c: np.savez(f / view_of(c)["depth"], depth=np.ones((64, 32))),
    "_mask.png` is no picture": lambda f, c: (f / view_of(c)["mask"]).write_bytes(b"no"),
}


@pytest.mark.parametrize("sentence", SPOILT)
def test_a_faulty_directory_is_refused_in_one_sentence_with_a_way_out(
    sentence: str, tmp_path: Path
) -> None:
    SPOILT[sentence](tmp_path, write_balls(tmp_path, heads=1))
    with pytest.raises(UsageError) as failure:
        read_heads(tmp_path)
    assert sentence in failure.value.message and failure.value.hint
    assert "\n" not in failure.value.message and not failure.value.message.endswith(".")
    assert failure.value.exit_code == 2


def test_a_damaged_picture_is_a_photo_that_cannot_be_used(tmp_path: Path) -> None:
    content = write_balls(tmp_path, heads=1)
    (tmp_path / view_of(content)["image"]).write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    with pytest.raises(HfinvError) as failure:
        read_heads(tmp_path)
    assert isinstance(failure.value, PhotoError) and failure.value.exit_code == 3
