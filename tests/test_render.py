"""Pictures of the ball: where its cameras stand, what they see, and what lands on the disk."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import imageio.v2 as imageio
import numpy as np
import pytest
import torch
from conftest import Ball, described, head_of
from PIL import Image

from hfinv import render
from hfinv.camera import FFHQ_FOCAL, look_at
from hfinv.errors import UsageError
from hfinv.render import RenderConfig

SHORT = RenderConfig(fps=10, seconds=0.8)


@pytest.fixture
def head(ball):
    return head_of(ball, look_at(0.0))


def seen_by_hand(yaw: float, size: int, background: float) -> np.ndarray:
    """The ball's picture by one loop over pixels, in double precision, from the conventions alone."""
    centre = 2.7 * np.array([math.sin(yaw), 0, math.cos(yaw)])
    forward = np.array([0, 0, 0.2]) - centre
    forward /= np.linalg.norm(forward)
    right = np.array(
        [-forward[2], 0, forward[0]]
    )  # level, and to the right of someone looking along forward
    right /= np.linalg.norm(right)
    picture = np.full((size, size, 3), background)
    for row in range(size):
        for column in range(size):
            ray = forward + right * ((column + 0.5) / size - 0.5) / FFHQ_FOCAL
            ray = ray - np.array([0, 1, 0]) * ((row + 0.5) / size - 0.5) / FFHQ_FOCAL
            ray /= np.linalg.norm(ray)
            half = ray @ centre
            root = half * half - (centre @ centre - 0.25**2)
            if root > 0:
                normal = (centre + (-half - math.sqrt(root)) * ray) / 0.25
                picture[row, column] = 0.5 * normal + 0.3 * np.sin(4 * np.roll(normal, 1))
    return picture


@pytest.mark.parametrize("yaw", [0, 30, -75, 180])
def test_a_still_is_what_the_conventions_say_a_camera_sees(head, yaw):
    seen = render.view(
        head, render.still_camera(head.generator, yaw), RenderConfig(background=-0.5)
    )
    expected = seen_by_hand(math.radians(yaw), 64, -0.5).transpose(2, 0, 1)
    error = np.abs(seen.image[0].numpy() - expected).max(0)
    # single and double precision may disagree on whether one pixel of the rim is hit
    assert np.sort(error.ravel())[-9] < 1e-4 and (error < 1e-4).mean() > 0.99


def test_a_camera_lifted_by_the_pitch_sees_the_top(head):
    higher = render.still_camera(head.generator, pitch=20)
    assert higher.angles()[1].item() == pytest.approx(math.radians(20), abs=1e-6)
    assert higher.centre[0, 1] > 0


def test_distances_are_along_the_unit_ray(head, tmp_path):
    seen_from = render.still_camera(head.generator, 40, 10)
    path = render.view(head, seen_from).save_distance(tmp_path / "a.npz")
    saved = np.load(path)
    assert saved["distance"].shape == saved["alpha"].shape == (32, 32)
    origins, directions = (x[0].double().numpy() for x in seen_from.rays(32))
    points = origins + saved["distance"].reshape(-1, 1) * directions
    hit = saved["alpha"].ravel() > 0.5
    assert hit.sum() > 100
    assert np.abs(np.linalg.norm(points[hit], axis=-1) - 0.25).max() < 1e-4
    assert (np.linalg.norm(points - origins, axis=-1)[hit] < 2.7).all()  # the near side
    np.testing.assert_allclose(saved["camera"], seen_from.label()[0], atol=0)


def test_another_size_is_the_same_picture_resized(head):
    front = render.still_camera(head.generator)
    config = RenderConfig(size=32)
    small = render.view(head, front, config)
    assert small.image.shape == (1, 3, 32, 32) and small.alpha.shape == (1, 1, 32, 32)
    assert small.distance.shape == (1, 1, 32, 32)
    exact = head_of(Ball(image_size=32), front)
    middle = (slice(None), slice(None), slice(14, 18), slice(14, 18))  # far from the rim
    torch.testing.assert_close(
        small.image[middle], render.view(exact, front).image[middle], atol=0.02, rtol=0
    )
    assert render.view(head, front, replace(config, size=100)).image.abs().max() <= 1


def test_a_turntable_starts_at_the_front_and_does_not_repeat_it(head):
    yaw = render.orbit_cameras(head.generator, 360, SHORT).angles()[0]
    expected = torch.arange(8) * math.tau / 8
    torch.testing.assert_close(torch.cos(yaw), expected.cos(), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.sin(yaw), expected.sin(), atol=1e-5, rtol=0)


def test_an_arc_has_the_front_in_its_middle(head):
    yaw, pitch = render.orbit_cameras(head.generator, 90, replace(SHORT, pitch=12.0)).angles()
    assert torch.rad2deg(yaw[[0, -1]]).tolist() == pytest.approx([-45, 45], abs=1e-3)
    assert torch.rad2deg(pitch).tolist() == pytest.approx([12] * 8, abs=1e-3)


def test_a_swing_goes_as_far_as_asked_to_both_sides(head):
    yaw = torch.rad2deg(render.swing_cameras(head.generator, 30, SHORT).angles()[0])
    assert yaw.max().item() == pytest.approx(30, abs=1e-3) and yaw.min().item() == pytest.approx(
        -30, abs=1e-3
    )
    assert yaw[0].item() == pytest.approx(0, abs=1e-3)


def test_cameras_stand_on_the_generator_s_own_sphere(ball):
    ball.card = replace(ball.card, radius=3.5, pivot=(0.0, 0.1, 0.0), focal=2.0)
    seen_from = render.still_camera(ball, 50)
    assert seen_from.centre.norm().item() == pytest.approx(3.5, abs=1e-5)
    assert seen_from.intrinsics[0, 0, 0] == 2
    pixel, _ = seen_from.project(torch.tensor([[[0.0, 0.1, 0.0]]]))
    assert pixel[0, 0].tolist() == pytest.approx([0.5, 0.5], abs=1e-5)


def test_frames_are_drawn_one_at_a_time_and_keep_no_gradient(head, monkeypatch):
    batches = []
    draw = head.generator.render

    def counted(planes, w_plus, camera, **options):
        batches.append(len(camera))
        return draw(planes, w_plus, camera, **options)

    monkeypatch.setattr(head.generator, "render", counted)
    frames = render.views(head, render.orbit_cameras(head.generator, 360, SHORT))
    first = next(frames)
    assert batches == [1]  # lazily
    assert not first.image.requires_grad and torch.is_grad_enabled()
    assert len(list(frames)) == 7 and set(batches) == {1}


def test_an_orbit_is_a_video_that_plays_everywhere(head, tmp_path):
    cameras = render.orbit_cameras(head.generator, 360, SHORT)
    steps = []
    written = render.save_video(
        head,
        cameras,
        tmp_path / "new" / "orbit.mp4",
        SHORT,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert written == [tmp_path / "new" / "orbit.mp4"]
    assert steps == [(n, 8) for n in range(1, 9)]
    stream = re.search(r"Video: (.*)", described(written[0])).group(1)
    assert (
        stream.startswith("h264")
        and "yuv420p" in stream
        and "64x64" in stream
        and "10 fps" in stream
    )
    content = written[0].read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")  # plays while it still downloads
    frames = imageio.mimread(written[0], format="FFMPEG")
    assert len(frames) == 8
    for index in (0, 3, 7):  # the right picture in the right place, in the right colours
        drawn = render.view(head, cameras[index]).pixels.astype(float)
        assert np.abs(frames[index] - drawn)[20:44, 20:44].mean() < 4
    assert [p.name for p in written[0].parent.iterdir()] == ["orbit.mp4"]


@pytest.mark.parametrize(("suffix", "codec"), [("webm", "vp9"), ("gif", "gif")])
def test_the_ending_chooses_the_kind_of_video(head, tmp_path, suffix, codec):
    cameras = render.swing_cameras(head.generator, 30, SHORT)
    path = render.save_video(head, cameras, tmp_path / f"a.{suffix}", SHORT)[0]
    assert f"Video: {codec}" in described(path)
    frames = imageio.mimread(path)
    assert len(frames) == 8 and frames[0].shape == (64, 64, 3)
    drawn = render.view(head, cameras[2]).pixels.astype(float)
    assert np.abs(frames[2] - drawn)[20:44, 20:44].mean() < 10


def test_distances_of_a_video_are_stacked_in_its_order(head, tmp_path):
    cameras = render.orbit_cameras(head.generator, 360, SHORT)
    written = render.save_video(head, cameras, tmp_path / "a.mp4", SHORT, distance=True)
    saved = np.load(written[1])
    assert written[1].name == "a.npz" and saved["distance"].shape == saved["alpha"].shape == (
        8,
        32,
        32,
    )
    expected = render.view(head, cameras[5]).distance[0, 0]
    np.testing.assert_array_equal(saved["distance"][5], expected)
    np.testing.assert_array_equal(saved["camera"], cameras.label())


def label() -> list[float]:
    return look_at(0.3, 0.1).label()[0].tolist()


def test_named_cameras_give_one_picture_a_name(head, tmp_path):
    (tmp_path / "cameras.json").write_text(json.dumps({"left": label(), "right one": label()}))
    cameras = render.read_cameras(tmp_path / "cameras.json")
    torch.testing.assert_close(cameras["left"].label(), look_at(0.3, 0.1).label())
    written = list(render.save_stills(head, cameras, tmp_path / "out", distance=True))
    assert [p.name for p in written] == ["left.png", "left.npz", "right one.png", "right one.npz"]
    expected = render.view(head, look_at(0.3, 0.1)).pixels
    np.testing.assert_array_equal(np.array(Image.open(written[0])), expected)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("not json", "is not JSON"),
        ("[1, 2]", "holds no named cameras"),
        ("{}", "holds no named cameras"),
        (json.dumps({"a": label()[:24]}), "camera `a` .* has 24 numbers, not 25"),
        (json.dumps({"a": "x"}), "camera `a` .* is not a list of numbers"),
        (json.dumps({"a": [*label()[:24], None]}), "is not a list of numbers"),
        (json.dumps({"a": [math.nan] * 25}), "is no camera"),
        (json.dumps({"a": [0] * 25}), "is no camera"),
        (json.dumps({"": label()}), "cannot name a picture"),
        (json.dumps({"../a": label()}), "cannot name a picture"),
        (json.dumps({"a\\b": label()}), "cannot name a picture"),
        ('{"a": %s, "a": %s}' % (label(), label()), "two cameras named `a`"),
    ],
)
def test_a_bad_cameras_file_gets_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "cameras.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence) as caught:
        render.read_cameras(path)
    assert caught.value.hint and caught.value.exit_code == 2


def test_a_missing_cameras_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        render.read_cameras(tmp_path / "none.json")


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 4},
        {"fps": 0},
        {"seconds": -1.0},
        {"seconds": math.nan},
        {"background": 3.0},
        {"pitch": 90.0},
    ],
)
def test_settings_that_no_picture_could_follow_are_refused(wrong):
    with pytest.raises(UsageError):
        RenderConfig(**wrong)


def test_the_shortest_video_has_one_frame():
    assert RenderConfig(fps=1, seconds=0.01).frames == 1
    assert RenderConfig().frames == 180


@pytest.mark.parametrize("degrees", [math.nan, math.inf])
def test_an_angle_that_is_no_number_is_refused(ball, degrees):
    for aim in (render.still_camera, render.orbit_cameras, render.swing_cameras):
        with pytest.raises(UsageError, match="no direction"):
            aim(ball, degrees)
