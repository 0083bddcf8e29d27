"""From where the heads are seen."""

from __future__ import annotations

import math

import pytest
import torch

from hfinv.bench.protocol import BIN_NAMES, angles_between, beside, bin_of, input_views, turned
from hfinv.camera import look_at
from hfinv.latent import move


def test_a_turned_camera_is_the_one_that_stands_there() -> None:
    found = turned(look_at(0.2, 0.1), 30, 10)
    wanted = look_at(0.2 + math.radians(30), 0.1 + math.radians(10))
    yaw, pitch = found.angles()
    assert yaw.item() == pytest.approx(0.2 + math.radians(30), abs=1e-5)
    assert pitch.item() == pytest.approx(0.1 + math.radians(10), abs=1e-5)
    assert torch.allclose(found.centre, wanted.centre, atol=1e-6)
    # what a camera looks at turns with it, so only one that looks at the origin is `look_at` again
    middle = {"pivot": (0.0, 0.0, 0.0)}
    around = turned(look_at(0.2, 0.1, **middle), 30, 10).cam2world
    assert torch.allclose(
        around,
        look_at(0.2 + math.radians(30), 0.1 + math.radians(10), **middle).cam2world,
        atol=1e-5,
    )


def test_the_protocol_looks_from_where_its_names_say() -> None:
    camera = look_at(math.radians(-35), 0.2)
    views = input_views(camera)
    assert len(views) == 13 and torch.equal(views["input"].cam2world, camera.cam2world)
    for name, seen_from in views.items():
        yaw, pitch = angles_between(seen_from, camera)
        wanted = float(name.removeprefix("yaw")) if name.startswith("yaw") else 0.0
        assert yaw == pytest.approx(wanted, abs=1e-3), name
        lift = float(name.removeprefix("pitch")) if name.startswith("pitch") else 0.0
        assert pitch == pytest.approx(lift, abs=1e-3), name


@pytest.mark.parametrize(
    ("view", "yaw", "wanted"),
    [("input", 0, "input"), ("a", -14, "yaw 15"), ("yaw+60", 60, "yaw 60"), ("b", 75.1, "yaw 90"),
     ("back", 180, "yaw 180"), ("up", 0.2, "pitch"), ("c", -100, "yaw 90")],
)  # fmt: skip
def test_views_fall_into_the_bin_of_the_nearest_yaw(view: str, yaw: float, wanted: str) -> None:
    assert bin_of(view, yaw) == wanted and wanted in BIN_NAMES


def test_moving_camera_and_head_together_changes_no_true_view() -> None:
    source, target = look_at(0.3, 0.1), look_at(-0.4, 0.2)
    motion = torch.tensor([[0.02, -0.03, 0.01, 0.01, 0.02, -0.02]])
    estimate = move(source, motion, (0.0, 0.0, 0.2))
    point = torch.tensor([[[0.05, 0.02, 0.1]]])
    world = estimate.cam2world @ torch.linalg.inv(source.cam2world)
    carried = (torch.cat([point, torch.ones(1, 1, 1)], -1) @ world.mT)[..., :3]
    found, _ = beside(target, source, estimate).project(carried)
    wanted, _ = target.project(point)
    assert torch.allclose(found, wanted, atol=1e-5)
    assert torch.allclose(beside(target, source, source).cam2world, target.cam2world, atol=1e-6)
