"""What ffmpeg makes of frames, and what becomes of its failures."""

from __future__ import annotations

import imageio.v2 as imageio
import imageio_ffmpeg
import numpy as np
import pytest
from conftest import described

from hfinv import video
from hfinv.errors import HfinvError, UsageError


@pytest.mark.parametrize("level", [(200, 30, 40), (20, 160, 60), (128, 128, 128), (255, 255, 255)])
def test_a_video_s_colours_are_tagged_and_true(tmp_path, level):
    frames = [np.full((64, 64, 3), level, np.uint8)] * 3
    path = video.write_video(tmp_path / "a.mp4", frames, 30)
    assert "bt709" in described(path)
    found = imageio.mimread(path, format="FFMPEG")[1]
    assert np.abs(found.astype(int) - level).max() <= 3


def test_odd_sides_grow_by_their_last_row_and_column(tmp_path):
    frame = np.full((65, 67, 3), 40, np.uint8)
    frame[-1], frame[:, -1] = 220, 220
    path = video.write_video(tmp_path / "a.mp4", [frame] * 2, 30)
    found = imageio.mimread(path, format="FFMPEG")[0]
    assert found.shape == (66, 68, 3)
    assert found[-1].min() > 180 and found[:, -1].min() > 180 and found[:60, :60].max() < 60


@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif"])
def test_the_same_frames_give_the_same_bytes(tmp_path, suffix):
    frames = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 3), dtype=np.uint8)
    paths = [
        video.write_video(tmp_path / name / f"a.{suffix}", frames, 12) for name in ("one", "two")
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_failing_ffmpeg_is_told_in_a_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(video._ENCODINGS, ".mp4", ("no_such_codec", "yuv420p", ""))
    frames = np.zeros((200, 256, 256, 3), np.uint8)
    with pytest.raises(HfinvError, match="ffmpeg could not write") as caught:
        video.write_video(tmp_path / "a.mp4", frames, 30)
    assert caught.value.hint and not list(tmp_path.iterdir())


def test_a_film_that_lost_frames_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(imageio_ffmpeg, "count_frames_and_secs", lambda path: (2, 0.1))
    (tmp_path / "a.mp4").write_bytes(b"the last good one")
    with pytest.raises(HfinvError, match="ffmpeg could not write"):
        video.write_video(tmp_path / "a.mp4", np.zeros((3, 32, 32, 3), np.uint8), 30)
    assert (tmp_path / "a.mp4").read_bytes() == b"the last good one"


def test_an_error_in_a_frame_is_not_blamed_on_ffmpeg(tmp_path):
    def frames():
        yield np.zeros((32, 32, 3), np.uint8)
        raise RuntimeError("a bug in the generator")

    with pytest.raises(RuntimeError, match="a bug in the generator"):
        video.write_video(tmp_path / "a.mp4", frames(), 30)
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_is_refused_before_anything_is_drawn(tmp_path):
    with pytest.raises(UsageError, match="`a.avi` is no video") as caught:
        video.write_video(tmp_path / "a.avi", iter(()), 30)
    assert ".mp4" in caught.value.hint
