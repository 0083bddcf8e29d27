"""The page: `Contents` laid out as one HTML file."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from importlib import resources

import numpy as np

from hfinv import __version__
from hfinv.report.contents import Contents, Views
from hfinv.report.curves import draw_all
from hfinv.report.html import Html, element, joined
from hfinv.report.pictures import COLOURS, EXAGGERATED, data_uri, inline, inline_video

HEAD_BYTES = 2000
"""The page's mark lies within so many bytes from its beginning."""
POLICY = (
    "default-src 'none'; img-src data: blob:; media-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; connect-src data: blob:; worker-src blob:"
)
"""What a browser may load for this page: nothing that is not in it."""
MEANINGS = {
    "seen": "the photo shows it",
    "mirrored": "the photo shows only its counterpart on the other side of the head",
    "guessed": "no photo shows it: the generator's idea of a head like this one",
}


def mark(key: str) -> Html:
    """What tells a page of one digest from those of others."""
    return element("meta", name="hfinv-report", content=key)


def lay_out(contents: Contents, key: str) -> str:
    """The whole page, a string of HTML.

    Args:
        contents: what to show.
        key: digest of what it was made from.
    """
    photo = str(contents.about.get("photo", "photo"))
    with_model = contents.model is not None
    head = element(
        "head",
        element("meta", charset="utf-8"),
        mark(key),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{photo} as a 3D head"),
        element("style", Html(_resource("page.css"))),
    )
    body = element(
        "body",
        element(
            "main",
            *(_header(contents, photo), _turn(contents), _photo(contents), _views(contents.views)),
            *(_surface(contents), _losses(contents), _next(contents), _facts(contents)),
        ),
        _footer(with_model),
        _viewer() if with_model else None,
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _resource(name: str) -> str:
    return resources.files("hfinv.report").joinpath(name).read_text(encoding="utf-8")


def _viewer() -> Html:
    """The program that turns the model. `</script` in it would end it early, and is written otherwise."""
    code = _resource("vendor/model-viewer.min.js").replace("</script", "<\\/script")
    return element("script", Html(code), type="module")


def _section(title: str, *children: str | None, id: str | None = None) -> Html:
    return element("section", element("h2", title), *children, id=id)


def _picture(pixels: np.ndarray, alt: str, caption: str | None = None, **attributes: str) -> Html:
    height, width = pixels.shape[:2]
    image = element("img", src=inline(pixels), alt=alt, width=width, height=height)
    return element("figure", image, element("figcaption", caption or alt), **attributes)


def _row(*figures: str | None) -> Html:
    return element("div", *figures, class_="row")


def _header(contents: Contents, photo: str) -> Html:
    about = contents.about
    seconds = sum(stage.get("seconds", 0.0) for stage in about["stages"].values())
    numbers = [
        (f"{contents.psnr:.1f} dB", "PSNR of the head in the photo's view, against the photo"),
        (f"{contents.lpips:.3f}", "LPIPS there; 0 is the photo itself"),
        (
            f"{percents(contents.views.origin.share())['seen']} %",
            "of the views below was seen in the photo",
        ),
        (_duration(seconds), f"to make it, on {about.get('device', 'an unknown device')}"),
    ]
    cards = [
        element("div", element("b", big), element("span", of), class_="card") for big, of in numbers
    ]
    warnings = [
        element("p", f"Warning: {sentence}", class_="warning") for sentence in contents.warnings
    ]
    return element(
        "header",
        element("h1", photo, element("small", " as a 3D head")),
        element(
            "p",
            f"Run {contents.name}, begun {about.get('created', 'at an unknown time')}.",
            class_="quiet",
        ),
        *warnings,
        element("div", *cards, class_="cards"),
    )


def _turn(contents: Contents) -> Html:
    """The model and the turntable."""
    front = contents.views.pictures[contents.views.yaws.index(0.0)]
    if contents.model is None:
        model = element("p", f"There is no model to turn: {contents.no_model}.", class_="warning")
    else:
        viewer = element(
            "model-viewer",
            src=data_uri("model/gltf-binary", contents.model),
            alt="the head as a model to turn",
            poster=inline(front),
            camera_controls=True,
            touch_action="pan-y",
            interaction_prompt="none",
            camera_orbit="0deg 90deg 75%",
            shadow_intensity="0",
        )
        script = element(
            "noscript",
            element(
                "p", "Turning the model needs JavaScript; all else does not.", class_="warning"
            ),
        )
        size = (
            "Coloured by the photo where it saw the head, by the generator elsewhere. Drag to turn, pinch or "
            f"scroll to come near. {len(contents.model) / 1e6:.1f} MB of GLB."
        )
        model = element("figure", viewer, script, element("figcaption", size), class_="wide")
    film = element(
        "video",
        src=inline_video(list(contents.turntable), contents.fps),
        poster=inline(front),
        autoplay=True,
        loop=True,
        muted=True,
        playsinline=True,
        controls=True,
        width=front.shape[1],
        height=front.shape[0],
    )
    film = element(
        "figure", film, element("figcaption", "Turntable, drawn by the tuned generator.")
    )
    return _section("The head", _row(model, film), id="head")


def _photo(contents: Contents) -> Html:
    fit = contents.fit
    if fit.photo is None:
        photo = element(
            "p", "This run was made by a version that did not keep the whole photo.", class_="quiet"
        )
    else:
        photo = _picture(fit.photo, "photo", "The photo, and what was cropped of it.")
    return _section(
        "From the photo to the head",
        _row(
            photo,
            _picture(
                fit.overlay,
                "crop with landmarks and axes",
                "The crop: outline of the person, landmarks, the head's axes.",
            ),
            _picture(fit.crop, "crop", "The crop, as large as the head is drawn."),
            _picture(fit.fit, "fit", "The head, in the photo's view."),
            _picture(
                fit.difference,
                "difference",
                f"How far it is from the photo: darker is further, {EXAGGERATED:g} times exaggerated.",
            ),
        ),
        id="photo",
    )


def _views(views: Views) -> Html:
    """The head from all around, each view over its map."""
    cells = []
    each = zip(views.yaws, views.pictures, views.maps, views.origin.shares(), views.beyond)
    for yaw, picture, origin, shares, beyond in each:
        words = ", ".join(f"{share} % {kind}" for kind, share in percents(shares).items())
        cells.append(
            element(
                "figure",
                element(
                    "img",
                    src=inline(picture),
                    alt=f"view at {yaw:+g} degrees",
                    width=picture.shape[1],
                    height=picture.shape[0],
                ),
                element(
                    "img",
                    src=inline(origin),
                    alt=f"origin at {yaw:+g} degrees: {words}",
                    width=origin.shape[1],
                    height=origin.shape[0],
                ),
                element("figcaption", element("b", f"{yaw:+g}°" if yaw else "0°"), " ", words),
                (
                    element("p", "Beyond what the generator was trained on.", class_="warning")
                    if beyond
                    else None
                ),
            )
        )
    note = "Positive angles stand to the right of the image. Percentages are of the head in the picture."
    return _section(
        "Seen, mirrored, guessed",
        _legend(views),
        element("div", *cells, class_="views"),
        element("p", note, class_="quiet"),
        id="views",
    )


def _legend(views: Views) -> Html:
    rows = []
    for kind, share in percents(views.origin.share()).items():
        colour = f"background:rgb{COLOURS[kind]}"
        rows.append(
            element(
                "li",
                element("span", class_="swatch", style=colour),
                element("b", f"{kind} {share} %"),
                element("span", f": {MEANINGS[kind]}"),
            )
        )
    title = f"Of what these {len(views.yaws)} views show of the head:"
    return joined(element("p", title), element("ul", *rows, class_="legend"))


def _surface(contents: Contents) -> Html:
    near, far = contents.near_far
    scale = (
        f"Distance along each ray from the photo's camera: yellow {near:.2f}, violet {far:.2f} world "
        "units (one is about 40 cm)."
    )
    return _section(
        "The surface",
        _row(
            _picture(contents.distance, "distance map", scale),
            _picture(
                contents.relief, "surface without colours", "The same surface, without its colours."
            ),
        ),
        id="surface",
    )


def _losses(contents: Contents) -> Html:
    if not contents.curves:
        return _section(
            "Losses", element("p", "This run has kept none.", class_="quiet"), id="losses"
        )
    note = "Over the steps of each stage, not weighted; axes begin at 0."
    return _section(
        "Losses", element("p", note, class_="quiet"), draw_all(list(contents.curves)), id="losses"
    )


def _next(contents: Contents) -> Html:
    """What people do with a head, as lines to copy."""
    run = contents.name
    commands = {
        "See it from anywhere": ["render", run, "--orbit", "360"],
        "Change it": ["edit", run, "--attr", "smile+0.8,age-0.5"],
        "Change it with sliders": ["view", run],
        "Keep it as a mesh": ["export", run, "head.glb"],
    }
    rows = [
        element(
            "div",
            element("dt", what),
            element("dd", element("code", shlex.join(["hfinv", *words]))),
        )
        for what, words in commands.items()
    ]
    where = f"In the folder that holds {run}:"
    return _section(
        "Next",
        element("p", where, class_="quiet"),
        element("dl", *rows, class_="commands"),
        id="next",
    )


def _facts(contents: Contents) -> Html:
    """Numbers that others need to get the same head."""
    about = contents.about
    stages = [
        (
            name,
            f"{stage.get('seconds', 0.0):.1f} s",
            f"{stage.get('peak_mb', 0)} MB",
            stage.get("made", ""),
        )
        for name, stage in about["stages"].items()
    ]
    inputs = [(name, str(value)) for name, value in about.get("inputs", {}).items()]
    libraries = [("hfinv", str(about.get("hfinv", "")))]
    libraries += [(name, str(version)) for name, version in about.get("libraries", {}).items()]
    return _section(
        "How it was made",
        element("h3", "Stages"),
        _table(("stage", "time", "most memory", "made"), stages),
        element("h3", "Inputs"),
        _table(
            ("", "name, seed or SHA-256"), [("generator", str(about.get("generator", ""))), *inputs]
        ),
        element("h3", "Versions"),
        _table(("", "version"), libraries),
        element("details", element("summary", "All settings"), element("pre", contents.settings)),
        id="facts",
    )


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Html:
    head = element("thead", element("tr", *(element("th", title, scope="col") for title in titles)))
    body = element(
        "tbody", *(element("tr", *(element("td", cell) for cell in row)) for row in rows)
    )
    return element("div", element("table", head, body), class_="table")


def _footer(with_model: bool) -> Html:
    viewer = " The model is turned by model-viewer (Google, Apache-2.0)." if with_model else ""
    return element(
        "footer",
        f"Written by hfinv {__version__}. This page is one file and loads nothing.{viewer}",
    )


def percents(shares: dict[str, float]) -> dict[str, int]:
    """Shares that add up to 1, as whole percents that add up to 100: the largest rests are rounded up."""
    whole = {kind: math.floor(100 * share) for kind, share in shares.items()}
    by_rest = sorted(shares, key=lambda kind: whole[kind] - 100 * shares[kind])
    for kind in by_rest[: round(100 * sum(shares.values())) - sum(whole.values())]:
        whole[kind] += 1
    return whole


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
