"""The viewer: its cameras, its edits, who is drawn for when, and a real connection."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import Ball, head_of
from PIL import Image
from scipy.spatial.transform import Rotation
from torch import Tensor

from hfinv import viewer
from hfinv.camera import FFHQ_FOCAL, Camera, look_at
from hfinv.cli import main
from hfinv.errors import HfinvError
from hfinv.generators.base import Factor
from hfinv.head import Head
from hfinv.viewer import Viewer, groups, matches
from hfinv.viewer.artist import STILL, Artist
from hfinv.viewer.model import MOVING_RAYS, Model, camera_of, widened

FACTORS = (Factor("smile", "+2 a smile"), Factor("age", "-2 about 20 years"), Factor("odd", "?"))
FOV = 2 * math.atan(0.5 / FFHQ_FOCAL)
WAIT = 60.0
"""Seconds that a picture may take on a busy machine."""


class LabelledBall(Ball):
    """A ball whose factors are its tints."""

    def __init__(self) -> None:
        super().__init__()
        self.card = replace(self.card, factors=FACTORS)

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        w = torch.zeros(len(z), self.card.w_dim)
        w[:, :3] = 0.25 * truncation * z
        return w[:, None].repeat(1, self.card.num_ws, 1)


def head_with(ball: Ball, run: str = "a run") -> Head:
    made = head_of(ball, look_at(0.0))
    return Head(ball, made.w_plus, made.planes, made.camera, 30.0, 0.1, Path(run))


@dataclass
class Eye:
    """What viser tells of somebody's camera."""

    wxyz: np.ndarray
    position: np.ndarray
    fov: float = FOV
    aspect: float = 1.5


def eye_at(camera: Camera, further: float = 0.0) -> Eye:
    """An eye in a camera's place, or further back along its axis."""
    turn = camera.cam2world[0, :3, :3].double().numpy()
    quaternion = Rotation.from_matrix(turn).as_quat(scalar_first=True)
    return Eye(quaternion, camera.centre[0].double().numpy() - further * turn[:, 2])


@pytest.mark.parametrize(("yaw", "pitch"), [(0.0, 0.0), (0.8, 0.3), (-2.5, -0.4), (math.pi, 0.0)])
def test_an_eye_in_a_cameras_place_sees_what_the_camera_sees(yaw: float, pitch: float) -> None:
    camera = look_at(yaw, pitch)
    found = camera_of(eye_at(camera), Ball().card)
    torch.testing.assert_close(found.label(), camera.label(), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("further", [-1.0, 0.7, 4.0])
def test_going_back_or_near_is_a_zoom_from_the_trained_distance(further: float) -> None:
    camera = look_at(0.5, 0.2)
    found = camera_of(eye_at(camera, further), Ball().card)
    torch.testing.assert_close(found.cam2world, camera.cam2world, atol=2e-5, rtol=0)
    pivot = torch.tensor(Ball().card.pivot)
    near = (pivot - camera.centre[0]).norm().item()
    expected = FFHQ_FOCAL * near / (near + further)  # the pivot's surroundings keep their size
    assert found.intrinsics[0, 0, 0].item() == pytest.approx(expected, rel=1e-4)


def test_an_axis_that_misses_the_head_still_gives_a_camera() -> None:
    eye = eye_at(look_at(0.0))
    eye.position = eye.position + np.array([10.0, 0.0, 0.0])
    assert camera_of(eye, Ball().card).label().isfinite().all()


def test_a_square_picture_fills_any_window() -> None:
    pixels = np.random.default_rng(0).integers(0, 250, (20, 20, 3)).astype(np.uint8)
    wide = widened(pixels, 1.5)
    assert wide.shape == (20, 30, 3) and (wide[:, 5:25] == pixels).all()
    assert (wide[:, :5] == 255).all() and (wide[:, 25:] == 255).all()
    assert (widened(pixels, 0.5) == pixels[:, 5:15]).all()
    assert (widened(pixels, 1.0) == pixels).all()


def test_each_name_is_in_one_group() -> None:
    names = ["age", "smile", "blink", "gaze_x", "odd"]
    found = groups(names)
    assert found["expression"] == ["smile", "blink"] and found["eyes"] == ["gaze_x"]
    assert found["other"] == ["odd"] and sorted(sum(found.values(), [])) == sorted(names)


def test_a_search_looks_for_all_its_words_in_name_and_meaning() -> None:
    assert matches("", "age", "?") and matches("AGE year", "age", "-2 about 20 years")
    assert not matches("age smile", "age", "-2 about 20 years")


def test_an_edit_is_drawn_as_the_edited_head_is() -> None:
    head = head_with(LabelledBall())
    model = Model(head)
    model.change("smile", 1.0)
    model.change("age", -0.5)
    expected = head.edit(smile=1.0, age=-0.5)
    torch.testing.assert_close(model.edited().w_plus, expected.w_plus)
    assert (
        model.draw(look_at(0.3), moving=False) == expected.render(math.degrees(0.3)).pixels
    ).all()
    assert model.edited() is model.edited()  # planes are made once
    assert model.draw(look_at(0.3), moving=True).shape == (MOVING_RAYS,) * 2 + (3,)


def test_the_command_keeps_the_edits_that_are_left() -> None:
    model = Model(head_with(LabelledBall(), "my run"))
    assert model.command() == ""
    for name, amount in (("smile", 0.8), ("age", 1.0), ("odd", -0.5), ("age", 0.0)):
        model.change(name, amount)
    assert model.command() == "hfinv edit 'my run' --attr smile+0.8,odd-0.5"
    assert "<b>" not in viewer._to_copy("hfinv edit '<b>'")


def test_a_head_without_labels_can_be_turned() -> None:
    model = Model(head_with(Ball()))
    assert model.directions is None and model.draw(look_at(0.0), moving=False).shape == (64, 64, 3)


@dataclass
class Client:
    """A browser that keeps what it is sent."""

    camera: Eye
    client_id: int = 3
    sizes: list[tuple[int, ...]] = field(default_factory=list)
    full: threading.Event = field(default_factory=threading.Event)

    @property
    def scene(self) -> Client:
        return self

    def set_background_image(self, image: np.ndarray, format: str, jpeg_quality: int) -> None:
        self.sizes.append(image.shape)
        if len(image) == 64:
            self.full.set()


@pytest.fixture
def artist() -> Iterator[Artist]:
    made = Artist(Model(head_with(Ball())))
    yield made
    made.close()


def test_a_quick_picture_comes_first_and_the_full_one_once_all_is_still(artist: Artist) -> None:
    client = Client(eye_at(look_at(0.2)))
    artist.welcome(client)
    assert client.full.wait(WAIT)
    assert client.sizes == [(40, 60, 3), (64, 96, 3)]
    client.full.clear()
    artist.renew(client)
    assert client.full.wait(WAIT)
    assert client.sizes[2:] == [(40, 60, 3), (64, 96, 3)]
    client.full.clear()
    artist.forget(client)
    artist.renew()
    assert not client.full.wait(4 * STILL)


def test_without_viser_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(viewer.importlib.util, "find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["view", str(tmp_path)])
    assert result.exit_code == 1
    assert "the viewer needs viser, which is not installed" in result.stderr
    assert "pip install 'hfinv[view]'" in result.stderr and "hfinv report" in result.stderr


def test_an_address_of_another_machine_is_refused() -> None:
    pytest.importorskip("viser")
    with pytest.raises(HfinvError, match="nothing can listen at `192.0.2.1`"):
        Viewer(head_with(Ball()), host="192.0.2.1")


def pictures_in(data: bytes) -> list[Image.Image]:
    """The backgrounds of one of viser's packets: two lengths, zstd over msgpack, then arrays."""
    import zstandard
    from msgspec import msgpack

    inner = int.from_bytes(data[8:16], "little")
    packet = msgpack.decode(zstandard.ZstdDecompressor().decompress(data[16 : 16 + inner]))
    found = [m["rgb_data"] for m in packet["messages"] if m["type"] == "BackgroundImageMessage"]
    return [Image.open(io.BytesIO(jpeg)) for jpeg in found if jpeg]


def test_somebody_who_connects_gets_the_head_and_nobody_else_can(
    capsys: pytest.CaptureFixture[str],
) -> None:
    viser = pytest.importorskip("viser")
    from msgspec import msgpack
    from viser._messages import ViewerCameraMessage
    from websockets.sync.client import connect

    head = head_with(LabelledBall())
    with Viewer(head, port=0) as page:
        assert page.address == f"http://localhost:{page.port}" and page.port > 0
        assert page._server.get_host() == "127.0.0.1"
        eye = eye_at(look_at(0.4))
        told = ViewerCameraMessage(
            tuple(eye.wxyz.tolist()), tuple(eye.position.tolist()), FOV, 0.01, 100.0, 100, 150,
            (0, 0, 0.2), (0, 1, 0),
        )  # fmt: skip
        protocol = f"viser-v{viser.__version__}"
        address = f"ws://127.0.0.1:{page.port}"
        with connect(address, subprotocols=[protocol], max_size=None) as socket:
            socket.send(msgpack.encode({**vars(told), "type": "ViewerCameraMessage"}))
            seen: list[Image.Image] = []
            while not seen or seen[-1].size != (96, 64):
                seen += pictures_in(socket.recv(timeout=WAIT))
        *quick, full = [picture.size for picture in seen]
        assert set(quick) == {(60, 40)} and full == (96, 64)
        expected = widened(Model(head).draw(look_at(0.4), moving=False), 1.5).astype(float)
        assert np.abs(np.array(seen[-1].convert("RGB")) - expected).mean() < 4  # JPEG
    assert capsys.readouterr().out == ""


def test_the_verb_prints_where_to_look_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("viser")
    monkeypatch.setattr("hfinv.pipeline.open_head", lambda path, device: head_with(LabelledBall()))

    def interrupted(page: Viewer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Viewer, "wait", interrupted)
    words = ["view", "a run", "--device", "cpu", "--port", "18080"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0 and result.stdout.startswith("http://localhost:180")
    assert "warning" not in result.stderr and result.stderr.endswith("closed\n")
    open_to_all = CliRunner().invoke(main, [*words, "--host", "0.0.0.0"], catch_exceptions=False)
    assert "warning: everybody who reaches this machine" in open_to_all.stderr
