"""Turn a head in the browser, with a slider for each edit. Every picture is drawn here and sent; viser shows it.

While the camera moves, pictures are drawn before super-resolution, with few rays; once it stands still, in full.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import math
import socket
import threading
from collections.abc import Sequence
from html import escape
from typing import Any

from hfinv.errors import HfinvError
from hfinv.generators.directions import GROUPS, Directions
from hfinv.head import Head
from hfinv.viewer.artist import Artist
from hfinv.viewer.model import Model

LOCAL = "127.0.0.1"
"""Who may look: this machine only."""
PORT = 8080
STEP = 0.1
"""Of the sliders, in standard deviations."""
OTHERS = "other"
"""Group of what is in no group."""
ROOM = 1.3
"""How much wider the first view is than the generator's pictures, so that the back of a head fits into a profile."""
OPEN = "expression"
"""The group that is unfolded at first."""


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
