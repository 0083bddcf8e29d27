from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import Ball, BallHead, described, head_of
from PIL import Image

from hfinv.camera import look_at
from hfinv.errors import UsageError
from hfinv.progress import Record, Stage, Step
from hfinv.render import still_camera, view
from hfinv.shots import Shots, other, take


@pytest.fixture
def head(ball: Ball) -> BallHead:
    return head_of(ball, look_at(0.0))


def short(**asked: object) -> Shots:
    return Shots(fps=4, seconds=0.5, **asked)


def test_nothing_asked_is_a_whole_turn() -> None:
    assert Shots().films() == {"orbit": 360.0} and Shots().angles() == ()


def test_a_pitch_alone_is_a_still_from_the_front() -> None:
    assert Shots(pitch=20).films() == {} and Shots(pitch=20).angles() == (0.0,)
    assert Shots(pitch=20, orbit=360).angles() == ()
    assert Shots(pitch=20, cameras=Path("c.json")).angles() == ()


def test_a_film_goes_into_the_folder_and_each_frame_is_told(tmp_path: Path, head: BallHead) -> None:
    heard: list[Record] = []
    files = take(head, short(orbit=360.0), tmp_path / "renders", heard.append)
    assert files == [tmp_path / "renders" / "orbit.mp4"]
    assert "h264" in described(files[0]) and "yuv420p" in described(files[0])
    assert [r.step for r in heard if isinstance(r, Step)] == [1, 2]
    assert [(r.name, r.state) for r in heard if isinstance(r, Stage)] == [
        ("orbit", "begun"),
        ("orbit", "made"),
    ]


def test_films_and_stills_can_be_asked_together(tmp_path: Path, head: BallHead) -> None:
    shots = short(orbit=90.0, swing=30.0, yaw=(-30.0, 0.0), pitch=-5.0, depth=True)
    files = take(head, shots, tmp_path)
    assert {file.name for file in files} == {
        "orbit.mp4",
        "orbit.npz",
        "swing.mp4",
        "swing.npz",
        "yaw-30_pitch-5.png",
        "yaw-30_pitch-5.npz",
        "yaw+0_pitch-5.png",
        "yaw+0_pitch-5.npz",
    }
    assert all(file.is_file() for file in files)


def test_a_still_shows_the_head_from_its_angle(tmp_path: Path, head: BallHead) -> None:
    (file,) = take(head, Shots(yaw=(30.0,), pitch=10.0, size=32), tmp_path)
    camera = still_camera(head.generator, 30.0, 10.0)
    yaw, pitch = camera.angles()
    assert math.degrees(yaw) == pytest.approx(30) and math.degrees(pitch) == pytest.approx(10)
    expected = np.array(Image.fromarray(view(head, camera).pixels).resize((32, 32), Image.BOX))
    found = np.array(Image.open(file))
    assert found.shape == (32, 32, 3) and np.abs(found.astype(int) - expected).mean() < 4


def test_a_file_for_one_still_has_the_name_that_was_asked(tmp_path: Path, head: BallHead) -> None:
    files = take(head, Shots(yaw=(10.0,), depth=True), tmp_path / "new" / "a.png")
    assert files == [tmp_path / "new" / "a.png", tmp_path / "new" / "a.npz"]


def test_a_file_for_one_film_has_the_kind_that_was_asked(tmp_path: Path, head: BallHead) -> None:
    assert take(head, short(swing=10.0), tmp_path / "s.gif") == [tmp_path / "s.gif"]
    assert Image.open(tmp_path / "s.gif").n_frames == 2


def test_cameras_of_a_file_give_a_still_each(tmp_path: Path, head: BallHead) -> None:
    file = tmp_path / "c.json"
    labels = {"left": look_at(-0.5).label()[0].tolist(), "right": look_at(0.5).label()[0].tolist()}
    file.write_text(json.dumps(labels))
    files = take(head, Shots(cameras=file), tmp_path / "out")
    assert [path.name for path in files] == ["left.png", "right.png"]


@pytest.mark.parametrize(
    ("shots", "name"),
    [
        (Shots(orbit=360.0, swing=30.0), "a.mp4"),
        (Shots(orbit=360.0, yaw=(0.0,)), "a.webm"),
        (Shots(yaw=(0.0,)), "a.gif"),
        (Shots(yaw=(0.0, 1.0)), "a.png"),
        (Shots(), "a.png"),
    ],
)
def test_one_file_for_several_things_is_refused_before_anything_is_drawn(
    tmp_path: Path, head: BallHead, shots: Shots, name: str
) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        take(head, shots, tmp_path / name)
    assert "folder" in caught.value.hint and not list(tmp_path.iterdir())


def test_what_is_suggested_next_shows_something_else() -> None:
    assert "--yaw" in other(Shots()) and "--orbit" in other(Shots(yaw=(3.0,)))
