"""Who is drawn for when: first quickly, then in full."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from hfinv.viewer.model import Model, camera_of, widened

STILL = 0.25
"""Seconds without a movement after which the full picture is drawn."""


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
