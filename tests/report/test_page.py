"""The page: well-formed, whole, harmless, and loading nothing."""

from __future__ import annotations

import base64
import io
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_examples import QUICK, Page, finished

from hfinv.report.contents import YAWS, Contents, gather
from hfinv.report.page import POLICY, lay_out, percents

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>.jpg'
FETCHING = ("src", "href", "poster", "srcset", "data", "action", "background", "xlink:href")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """What there is to show of a ball, with a model of twelve triangles."""
    trimesh = pytest.importorskip("trimesh")
    run, head = finished(tmp_path_factory.mktemp("ball") / "run", warnings=("it is dark",))
    model = trimesh.creation.box((0.3, 0.3, 0.3)).export(file_type="glb")
    return replace(gather(run, head, QUICK), model=model, no_model="")


@pytest.fixture(scope="module")
def page(contents: Contents) -> Page:
    return Page(lay_out(contents, "abc"))


def decoded(address: str) -> bytes:
    return base64.b64decode(address.split(";base64,")[1], validate=True)


def test_all_pictures_are_there_and_can_be_read(page: Page, contents: Contents) -> None:
    images = page.all("img")
    assert (
        len(images) == 2 * len(YAWS) + 7
    )  # photo, overlay, crop, fit, difference, two of the surface
    for image in images:
        assert image["alt"] and image["src"].startswith("data:image/webp;base64,")
        pixels = Image.open(io.BytesIO(decoded(image["src"])))
        assert pixels.size == (int(image["width"]), int(image["height"]))
        assert len(np.unique(np.array(pixels))) > 3, image["alt"]
    for yaw in YAWS:
        assert sum(f"{yaw:+g} degrees" in image["alt"] for image in images) == 2
    (film,) = page.all("video")
    assert decoded(film["src"])[4:8] == b"ftyp" and "muted" in film and "loop" in film
    (model,) = page.all("model-viewer")
    assert decoded(model["src"]) == contents.model and model["poster"].startswith("data:image/")


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "a"), tag
        for name in FETCHING:
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)
    style = "".join(page.texts["style"])
    assert "url(" not in style and "@import" not in style and "http" not in style
    policy = {meta.get("http-equiv"): meta.get("content") for meta in page.all("meta")}
    assert policy["Content-Security-Policy"] == POLICY and "http" not in POLICY


def test_only_the_model_needs_a_program(contents: Contents, page: Page) -> None:
    (script,) = page.all("script")
    assert script == {"type": "module"} and page.all("noscript")
    without = Page(lay_out(replace(contents, model=None, no_model="it is <hollow>"), "abc"))
    assert not without.all("script") and not without.all("model-viewer")
    assert "There is no model to turn: it is <hollow>." in without.text()
    assert len(without.all("img")) == len(page.all("img"))


def test_every_text_is_harmless(contents: Contents) -> None:
    about = replace(contents, model=None).about | {
        "photo": EVIL, "device": EVIL, "generator": EVIL, "created": EVIL,
        "libraries": {EVIL: EVIL}, "inputs": {EVIL: EVIL},
        "stages": {EVIL: {"seconds": 1.0, "peak_mb": 2, "made": EVIL}},
    }  # fmt: skip
    evil = replace(
        contents, about=about, name=EVIL, settings=EVIL + "</pre>", warnings=(EVIL,), model=None,
        no_model=EVIL, curves=tuple(replace(c, stage=EVIL, name=EVIL) for c in contents.curves),
    )  # fmt: skip
    text = lay_out(evil, EVIL)
    page, plain = Page(text), Page(lay_out(replace(contents, model=None), "abc"))
    assert not page.all("script") and len(page.all("img")) == len(plain.all("img"))
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    assert "".join(page.texts["title"]).startswith(f"{EVIL} as a 3D head")
    assert page.text().count(EVIL) >= 10 and escape(EVIL) in text and EVIL not in text


def test_numbers_settings_and_commands_are_told(page: Page) -> None:
    text = page.text()
    for told in ("ball.jpg", "30.0 dB", "0.100", "it is dark", 'generator = "ball"', "torch"):
        assert told in text, told
    for command in ("render run --orbit 360", "edit run --attr", "export run head.glb", "view run"):
        assert f"hfinv {command}" in text
    assert len(page.all("polyline")) == 1 and "seed" in page.texts["td"] and "7" in page.texts["td"]


def test_the_legend_says_how_much_of_the_views_is_which(page: Page, contents: Contents) -> None:
    parts = contents.views.origin.parts.sum((0, 2, 3))
    shares = (100 * parts / parts.sum()).tolist()
    found = dict(re.findall(r"(seen|mirrored|guessed) (\d+) %", " ".join(page.texts["b"])))
    assert list(found) == ["seen", "mirrored", "guessed"] and sum(map(int, found.values())) == 100
    for share, told in zip(shares, found.values()):
        assert math.isclose(share, int(told), abs_tol=1.0)


@pytest.mark.parametrize(
    ("shares", "whole"),
    [
        ((0.585, 0.025, 0.39), (58, 3, 39)),
        ((1 / 3, 1 / 3, 1 / 3), (34, 33, 33)),
        ((0.0, 0.0, 1.0), (0, 0, 100)),
        ((0.0, 0.0, 0.0), (0, 0, 0)),
    ],
)
def test_percents_add_up(shares: tuple[float, ...], whole: tuple[int, ...]) -> None:
    names = ("seen", "mirrored", "guessed")
    told = tuple(percents(dict(zip(names, shares))).values())
    assert sum(told) == sum(whole) and all(abs(a - b) <= 1 for a, b in zip(told, whole))


PROBE = """<script>
document.addEventListener("securitypolicyviolation", e => document.body.dataset.refused = e.blockedURI);
document.querySelector("model-viewer").addEventListener("load", () => document.body.dataset.model = "loaded");
addEventListener("error", e => document.body.dataset.error = e.message);
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason=f"needs a browser: one of {', '.join(BROWSERS)}")
@pytest.mark.parametrize("width", [1200, 400])
def test_a_browser_shows_it_from_a_file(contents: Contents, tmp_path: Path, width: int) -> None:
    text = lay_out(contents, "abc").replace(
        '<script type="module">', PROBE + '<script type="module">'
    )
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    words = (
        "--headless=new --no-sandbox --use-gl=angle --use-angle=swiftshader --hide-scrollbars "
        "--enable-unsafe-swiftshader --virtual-time-budget=15000 --host-resolver-rules=MAP*~NOTFOUND"
    )
    command = [BROWSER, *words.split(), f"--window-size={width},2000", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path / 'profile'}"]
    address = (tmp_path / "report.html").as_uri()
    shot = [f"--screenshot={tmp_path / 'page.png'}", address]
    said = subprocess.run(command + [address], capture_output=True, text=True, timeout=300).stdout
    (body,) = Page(said).all("body")
    assert body.get("data-model") == "loaded", body
    assert "data-refused" not in body and "data-error" not in body, body
    command.remove("--dump-dom")
    subprocess.run(command + shot, capture_output=True, timeout=300, check=True)
    pixels = np.array(Image.open(tmp_path / "page.png").convert("RGB"))
    assert pixels.shape[1] == width and pixels.mean() > 200  # light
    assert (pixels[-400:] < 128).any()  # and not empty below
