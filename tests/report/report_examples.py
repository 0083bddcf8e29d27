"""A finished run of a ball, whose picture, surface and visibility are known in closed form."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import torch
from conftest import Ball, head_of

from hfinv.camera import Camera, look_at
from hfinv.head import Head
from hfinv.image import save_png
from hfinv.intake import PHOTO, Face, IntakeConfig, overlay
from hfinv.report import ReportConfig
from hfinv.report.html import VOID
from hfinv.run import Run
from hfinv.tuning import Tuned, TuningConfig

RADIUS = 0.15
"""Of the ball: small enough to lie whole in each view."""
QUICK = ReportConfig(map_size=48, frames=8, grid=32, faces=2000, texture=0)
STEPS = 3


def ball_head(camera: Camera, folder: Path) -> Head:
    """The ball, as if its photo had been taken by `camera`."""
    ball = head_of(Ball(RADIUS), camera)
    return Head(ball.generator, ball.w_plus, ball.planes, camera, 30.0, 0.1, folder)


def ball_face(head: Head, warnings: tuple[str, ...] = ()) -> Face:
    """Its photo, 96 pixels a side, with every pixel of the ball counted."""
    image, alpha, _ = head.generator.look(head.planes, head.camera, 96, 0.0)
    return Face(
        photo=image,
        foreground=alpha,
        camera=head.camera,
        landmarks=torch.zeros(1, 468, 2),
        presence=1.0,
        reprojection_px=1.0,
        warnings=warnings,
        crop_from_photo=torch.eye(3)[:2],
        seen=torch.ones_like(alpha),
        faces_found=1,
    )


def finished(
    folder: Path, photo: str = "ball.jpg", warnings: tuple[str, ...] = (), yaw: float = 0.3
) -> tuple[Run, Head]:
    """A run of two stages with pictures and losses, and its head."""
    head = ball_head(look_at(yaw), folder)
    face = ball_face(head, warnings)

    def take_in(config: IntakeConfig) -> Face:
        return face

    def tune(config: TuningConfig) -> Tuned:
        fit = head.generator.render(head.planes, head.w_plus, head.camera, background=0.0)
        return Tuned({}, head.w_plus, head.camera, fit.image, 30.0, 0.1)

    def show(shown: Face, where: Path) -> None:
        picture = overlay.draw(shown)
        save_png(where / "overlay.png", picture)
        overlay.save_framed(where / PHOTO, picture, shown)

    parts = {"photo": "aa", "generator": "bb", "seed": 7, "device": "cpu"}
    about = {"photo": photo, "generator": "ball", "seed": 7, "device": "cpu"}
    settings = 'generator = "ball"\n# <b>bold</b>\n'
    with Run.create(folder, first_key_parts=parts, about=about, settings=settings) as run:
        run.stage("intake", take_in, config=IntakeConfig(), save_pictures=show)
        run.stage("tuning", tune, config=TuningConfig())
    lines = [
        {"stage": "tuning", "step": k + 1, "steps": STEPS, "losses": {"lpips": 0.3 / (k + 1)}}
        for k in range(STEPS)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Run.open(folder), head


class Page(HTMLParser):
    """What a page holds. Raises AssertionError where it is not well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        """Text by the element that it stands in."""
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute of {tag} is there twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of each element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self) -> str:
        """What a person reads."""
        return " ".join(
            text
            for tag, texts in self.texts.items()
            if tag not in ("script", "style")
            for text in texts
        )
