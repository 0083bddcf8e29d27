"""Turn a head in the browser, with a slider for each edit. Every picture is drawn here and sent; viser shows it.

While the camera moves, pictures are drawn before super-resolution, with few rays; once it stands still, in full.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import shlex
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.editing import title
from hfinv.errors import HfinvError, UsageError
from hfinv.generators.base import Card
from hfinv.generators.directions import GROUPS, Directions, directions
from hfinv.head import Head
from hfinv.image import to_bytes

LOCAL = "127.0.0.1"
"""Who may look: this machine only."""
PORT = 8080
MOVING_RAYS = 40
"""Rays along one side of a picture while the camera moves."""
STILL = 0.25
"""Seconds without a movement after which the full picture is drawn."""
BACKGROUND = 1.0
"""Grey level behind the head, as the page's own."""
STEP = 0.1
"""Of the sliders, in standard deviations."""
OTHERS = "other"
"""Group of what is in no group."""
ROOM = 1.3
"""How much wider the first view is than the generator's pictures, so that the back of a head fits into a profile."""
OPEN = "expression"
"""The group that is unfolded at first."""


class Watched(Protocol):
    """The camera of somebody who looks, as viser tells it: OpenCV axes, world frame."""

    wxyz: np.ndarray
    """[4], the rotation as a quaternion, camera to world."""
    position: np.ndarray
    """[3], where it stands."""
    fov: float
    """Vertical, radians."""
    aspect: float
    """Width over height of the window."""


def camera_of(watched: Watched, card: Card) -> Camera:
    """The camera that shows what somebody looks at.

    Generators know heads from one distance. Going near or far therefore slides the camera back to that distance
    along its own axis, and zooms instead.

    Args:
        watched: where they stand.
        card: of the generator.
    """
    w, x, y, z = (float(part) for part in watched.wxyz)
    turn = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    place = torch.as_tensor(np.asarray(watched.position)).float()
    forward, pivot = turn[:, 2], torch.tensor(card.pivot).float()
    along = float(place @ forward)
    reach = along**2 - float(place @ place) + card.radius**2  # < 0: the axis misses the sphere
    slid = place - (along + math.sqrt(max(reach, 0.0))) * forward
    near = max(float((pivot - place) @ forward), 0.05)
    zoom = max(float((pivot - slid) @ forward), 0.05) / near
    focal = zoom * 0.5 / math.tan(float(watched.fov) / 2)
    cam2world = torch.eye(4)
    cam2world[:3, :3], cam2world[:3, 3] = turn, slid
    intrinsics = torch.tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]])
    return Camera(cam2world[None], intrinsics[None])


def widened(pixels: np.ndarray, aspect: float) -> np.ndarray:
    """A square picture in the middle of a window: white at its sides, or its sides cut off.

    Args:
        pixels: uint8 [H, H, 3].
        aspect: width over height of the window.

    Returns:
        uint8 [H, about aspect * H, 3].
    """
    size = len(pixels)
    width = max(1, round(size * min(max(aspect, 0.1), 10.0)))
    if width <= size:
        start = (size - width) // 2
        return pixels[:, start : start + width]
    side = (width - size) // 2
    level = round((BACKGROUND + 1) * 127.5)
    sides = ((0, 0), (side, width - size - side), (0, 0))
    return np.pad(pixels, sides, constant_values=level)


class Model:
    """A head with its edits; draws itself. One thread draws, others may change the edits."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.amounts: dict[str, float] = {}
        """Standard deviations by name; 0 is not kept."""
        try:
            self.directions: Directions | None = directions(head.generator)
        except UsageError:  # a generator without labels can be turned, not edited
            self.directions = None
        self._drawn: tuple[dict[str, float], Head] = ({}, head)

    def change(self, name: str, amount: float) -> None:
        """Set one edit."""
        kept = {key: value for key, value in self.amounts.items() if key != name}
        self.amounts = {**kept, name: amount} if amount else kept

    def command(self) -> str:
        """What to type to keep the edits; nothing if there are none."""
        if not self.amounts:
            return ""
        return shlex.join(["hfinv", "edit", str(self.head.run), "--attr", title(self.amounts)])

    @torch.no_grad()
    def edited(self) -> Head:
        """The head with the edits of this moment."""
        amounts, (known, head) = self.amounts, self._drawn
        if amounts != known and self.directions is not None:
            w_plus: Tensor = self.head.w_plus
            for name, amount in amounts.items():
                w_plus = w_plus + self.directions.along(name, amount).to(w_plus)
            head = replace(self.head, w_plus=w_plus, planes=self.head.generator.planes(w_plus))
            self._drawn = (amounts, head)
        return self._drawn[1]

    @torch.no_grad()
    def draw(self, camera: Camera, moving: bool) -> np.ndarray:
        """A picture, uint8 [H, H, 3].

        Args:
            camera: one.
            moving: quick and coarse.
        """
        head = self.edited()
        camera = camera.to(head.planes.device)
        how: dict[str, Any] = {"size": MOVING_RAYS, "superresolve": False} if moving else {}
        seen = head.generator.render(head.planes, head.w_plus, camera, background=BACKGROUND, **how)
        return to_bytes(seen.image)


def groups(names: Sequence[str]) -> dict[str, list[str]]:
    """Names by group, each name in the first group that it fits, what fits none last."""
    found: dict[str, list[str]] = {group: [] for group in (*GROUPS, OTHERS)}
    for name in names:
        fitting = (group for group, starts in GROUPS.items() if name.startswith(starts))
        found[next(fitting, OTHERS)].append(name)
    return {group: members for group, members in found.items() if members}


def matches(search: str, name: str, meaning: str) -> bool:
    """Is this direction one that somebody searches for? Every word must occur in its name or meaning."""
    text = f"{name} {meaning}".lower()
    return all(word in text for word in search.lower().split())


@dataclass
class Onlooker:
    """Somebody's browser, and what it was sent."""

    client: Any
    changed: float
    """When what it should see changed last, by `time.monotonic`."""
    stale: bool = True
    """Nothing was sent since."""
    full: bool = False
    """The full picture was sent since."""


class Artist:
    """Draws what each onlooker should see, in a thread of its own: first quickly, then in full."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._onlookers: dict[int, Onlooker] = {}
        self._news = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def welcome(self, client: Any) -> None:
        """Begin to draw for a browser."""
        with self._news:
            self._onlookers[client.client_id] = Onlooker(client, time.monotonic())
            self._news.notify()

    def forget(self, client: Any) -> None:
        """It has gone."""
        with self._news:
            self._onlookers.pop(client.client_id, None)

    def renew(self, client: Any | None = None) -> None:
        """What a browser sees has changed; what all see, if none is named."""
        with self._news:
            for number, onlooker in self._onlookers.items():
                if client is None or number == client.client_id:
                    onlooker.changed, onlooker.stale, onlooker.full = time.monotonic(), True, False
            self._news.notify()

    def close(self) -> None:
        """Stop drawing."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join(timeout=10)

    def _work(self) -> None:
        while True:
            with self._news:
                found = self._next()
                while found is None and not self._closed:
                    self._news.wait(STILL / 2)
                    found = self._next()
                if self._closed or found is None:
                    return
                onlooker, moving = found
                onlooker.stale, onlooker.full = False, not moving
            self._send(onlooker.client, moving)

    def _next(self) -> tuple[Onlooker, bool] | None:
        """Whom to draw for, and whether quickly; whoever saw nothing new comes first."""
        for onlooker in self._onlookers.values():
            if onlooker.stale:
                return onlooker, True
        for onlooker in self._onlookers.values():
            if not onlooker.full and time.monotonic() - onlooker.changed >= STILL:
                return onlooker, False
        return None

    def _send(self, client: Any, moving: bool) -> None:
        camera = camera_of(client.camera, self.model.head.generator.card)
        picture = widened(self.model.draw(camera, moving), client.camera.aspect)
        if client.client_id not in self._onlookers:  # gone while it was drawn
            return
        client.scene.set_background_image(picture, format="jpeg", jpeg_quality=70 if moving else 92)


class Viewer:
    """A page that shows a head, until it is closed.

        with Viewer(head) as viewer:
            viewer.address

    Args:
        head: whose.
        host: the address to listen at.
        port: a port that is free, or one after it.

    Raises:
        HfinvError: viser is not installed, or nothing can listen there.
    """

    def __init__(self, head: Head, host: str = LOCAL, port: int = PORT) -> None:
        self.model = Model(head)
        self._server = _listening(host, port)
        self._artist = Artist(self.model)
        self.host, self.port = host, int(self._server.get_port())
        card = head.generator.card
        self._server.scene.set_up_direction("+y")
        first = self._server.initial_camera
        first.position, first.look_at = (0.0, 0.0, card.radius), tuple(map(float, card.pivot))
        first.fov = 2 * math.atan(0.5 * ROOM / card.focal)
        self._sliders: dict[str, Any] = {}
        self._lay_out()
        self._server.on_client_connect(self._connected)
        self._server.on_client_disconnect(self._artist.forget)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        host = "localhost" if self.host in (LOCAL, "0.0.0.0") else self.host
        return f"http://{host}:{self.port}"

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def wait(self) -> None:
        """Show the page until this is interrupted."""
        threading.Event().wait()

    def close(self) -> None:
        """Close the page."""
        self._artist.close()
        with contextlib.redirect_stdout(io.StringIO()):  # stdout is for results
            self._server.stop()

    def _connected(self, client: Any) -> None:
        self._artist.welcome(client)
        client.camera.on_update(lambda _: self._artist.renew(client))

    def _lay_out(self) -> None:
        gui = self._server.gui
        gui.configure_theme(show_logo=False, show_share_button=False)
        gui.main_panel.dock_right()
        gui.set_panel_label(f"hfinv: {self.model.head.run.name}")
        along = self.model.directions
        if along is None:
            gui.add_markdown(
                "This generator has no labelled directions, so there is nothing to edit."
            )
            return
        command = gui.add_button("Show the command", hint="What to type to keep these edits.")
        command.on_click(lambda event: self._show_command(event.client))
        gui.add_button("Back to the start").on_click(lambda _: self._reset())
        search = gui.add_text(
            "Search", "", hint="Words of what should change, such as: brow, older."
        )
        search.on_update(lambda _: self._search(search.value))
        self._folders = {}
        for group, names in groups(along.names).items():
            self._folders[group] = gui.add_folder(group, expand_by_default=group == OPEN)
            with self._folders[group]:
                for name in names:
                    self._add_slider(name, along)

    def _add_slider(self, name: str, along: Directions) -> None:
        index = along.index(name)
        low, high = (float(end) for end in along.ranges[index])
        slider = self._server.gui.add_slider(name, low, high, STEP, 0.0, hint=along.meanings[index])
        slider.on_update(lambda _: self._changed(name, float(slider.value)))
        self._sliders[name] = slider

    def _changed(self, name: str, amount: float) -> None:
        self.model.change(name, round(amount, 3))
        self._artist.renew()

    def _reset(self) -> None:
        for name, slider in self._sliders.items():
            slider.value = 0.0
            self.model.change(name, 0.0)
        self._artist.renew()

    def _search(self, words: str) -> None:
        along = self.model.directions
        assert along is not None  # there is no search without
        for name, slider in self._sliders.items():
            slider.visible = matches(words, name, along.meanings[along.index(name)])
        for group, names in groups(along.names).items():
            self._folders[group].visible = any(self._sliders[name].visible for name in names)

    def _show_command(self, client: Any) -> None:
        command = self.model.command()
        with client.gui.add_modal("To keep these edits") as modal:
            if command:
                client.gui.add_html(_to_copy(command))
            else:
                client.gui.add_markdown("Nothing is changed yet: move a slider first.")
            client.gui.add_button("Close").on_click(lambda _: modal.close())


def _to_copy(command: str) -> str:
    """The command as HTML that is selected by one click."""
    style = (
        "user-select:all;white-space:pre-wrap;overflow-wrap:anywhere;padding:1em;background:#f4f6f9"
    )
    return f'<pre style="{style}"><code>{escape(command)}</code></pre>'


def check_installed() -> None:
    """See that there is a viewer, before a head is loaded.

    Raises:
        HfinvError: viser is missing.
    """
    if importlib.util.find_spec("viser") is None:
        raise HfinvError(
            "the viewer needs viser, which is not installed",
            "pip install 'hfinv[view]'; or look at the run's page, which `hfinv report RUN` writes",
        )


def _listening(host: str, port: int) -> Any:
    check_installed()
    import viser

    try:  # viser would try port after port, and wait for ever
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.bind(address)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = f"leave `--host` out for {LOCAL}, or name an address of this machine"
        raise HfinvError(f"nothing can listen at `{host}` ({reason})", hint) from error
    with contextlib.redirect_stdout(io.StringIO()):  # it tells its address even so
        return viser.ViserServer(host=host, port=port, label="hfinv", verbose=False)
