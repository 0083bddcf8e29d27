"""The method on one page."""

from __future__ import annotations

import copy
import functools
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hfinv import device as devices
from hfinv import editing, report
from hfinv.adapt import adapted, fitted, placed
from hfinv.config import InvertConfig, to_toml
from hfinv.generators import lasting, load_generator, locate
from hfinv.generators.base import Card, Generator
from hfinv.generators.checkpoint import file_hash, read_card
from hfinv.head import Head
from hfinv.image import read, save_png
from hfinv.intake import PHOTO, Face, overlay, take_in
from hfinv.latent import Pivot, estimate_latent
from hfinv.perceptual import Looks
from hfinv.progress import Progress, ignore
from hfinv.pseudoview import PseudoViews, pseudo_views
from hfinv.run import Run
from hfinv.symmetry import Mirror, mirror_view
from hfinv.symmetry.terms import tuning_terms
from hfinv.terms import Term
from hfinv.tuning import Tuned, TuningConfig, tune


def invert(
    photo: str | os.PathLike[str] | np.ndarray,
    out: str | os.PathLike[str] | None = None,
    config: InvertConfig | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = ignore,
    lenders: Iterable[str | os.PathLike[str]] = (),
) -> Head:
    """Turn one photo into a 3D head.

        photo - intake - latent - (early - symmetry - pseudoview -) tuning - head

    Args:
        photo: path of a picture, or uint8 [H, W, 3] RGB.
        out: run directory; stages that it already holds are kept. `NAME.hfinv` beside nothing if None.
        config: the settings; the default preset if None.
        device: auto, cpu, cuda or cuda:n.
        seed: of everything drawn at random.
        progress: hears of each stage and each step.
        lenders: other run directories; a stage that would come out alike is copied from them instead of made.

    Raises:
        HfinvError: what went wrong, in a sentence; what was finished stays in `out`.
    """
    config = config or InvertConfig()
    weights = locate(config.generator)
    card = read_card(weights)
    config = adapted(config, card)
    pixels, name, photo_hash = opened(photo)
    where = devices.choose(device)
    first, about = provenance(name, photo_hash, config, file_hash(weights), where, seed)
    path = Path(out) if out is not None else Path(f"{Path(name).stem}.hfinv")
    with Run.create(
        path,
        first_key_parts=first,
        about=about,
        settings=to_toml(config),
        device=where,
        progress=progress,
        lenders=lenders,
    ) as run:
        generator, tuned = through_stages(run, pixels, card, config, where, seed)
        head = assemble(generator, tuned, path)
        if config.report:
            report.attempt(run, head, progress)
        return head


def through_stages(
    run: Run,
    pixels: np.ndarray,
    card: Card,
    config: InvertConfig,
    device: torch.device,
    seed: int,
) -> tuple[Generator, Tuned]:
    """The generator, and what was tuned of it; stages that the run holds are kept.

    Args:
        run: makes the stages.
        pixels: uint8 [H, W, 3] RGB, the photo.
        card: of the generator.
        config: the settings, adapted to it.
        device: where to compute.
        seed: of everything drawn at random.
    """
    # 1. Find the face, crop it as the generator's training photos were, solve its camera.
    show = functools.partial(show_face, photo=pixels)
    face = run.stage("intake", take_in, pixels, config=config.intake, save_pictures=show)
    face = placed(face, card)
    generator = load_generator(config.generator, device)
    fitting = fitted(generator, config)
    looks = Looks(device)

    # 2. Find the latent whose rendering comes nearest; the camera is refined with it.
    pivot = run.stage(
        "latent",
        estimate_latent,
        fitting,
        looks[config.latent.backbone],
        face,
        config=config.latent,
        seed=seed,
        save_pictures=show_fit,
    )

    # 3. What else is known of the head: by symmetry, and from where no photo was taken.
    others = look_around(run, fitting, looks, face, pivot, config, seed)

    # 4. Tune the generator until it draws the photo, from all sides.
    tuned = tuned_by(
        run,
        "tuning",
        fitting,
        looks,
        face,
        pivot,
        config.tuning,
        seed,
        views=others.views,
        mirror=others.mirror,
        terms=others.terms,
    )
    return generator, tuned


@dataclass(frozen=True)
class Others:
    """What the generator is tuned on besides the photo."""

    views: PseudoViews | None = None
    """Photographs that were never taken."""
    mirror: Mirror | None = None
    """The photo in a mirror."""
    terms: tuple[Term, ...] = ()
    """What symmetry says, as losses."""


def look_around(
    run: Run,
    generator: Generator,
    looks: Looks,
    face: Face,
    pivot: Pivot,
    config: InvertConfig,
    seed: int,
) -> Others:
    """Tune a copy until its surface is the photo's; carry photo and mirrored photo over it to other cameras.

    Args:
        run: makes the stages.
        generator: untouched; takes the early tuned weights, unless the pseudo views' settings restart it.
        looks: LPIPS.
        face: the photo.
        pivot: latent and camera.
        config: which of them are used, and how.
        seed: of cameras, searches and tuning.
    """
    if not (config.pseudoview.use or config.symmetry.use):
        return Others()
    bent = generator
    if config.early.steps:
        spare = copy.deepcopy(generator)
        early = tuned_by(run, "early", spare, looks, face, pivot, config.early, seed)
        bent = tuned_copy(generator, early)
    mirror = views = None
    if config.symmetry.use:
        mirror = run.stage(
            "symmetry",
            mirror_view,
            bent,
            face,
            pivot.w_plus,
            pivot.camera,
            config=config.symmetry,
            seed=seed,
            save_pictures=show_mirror,
        )
    if config.pseudoview.use:
        views = run.stage(
            "pseudoview",
            pseudo_views,
            generator,
            bent,
            looks[config.latent.backbone],
            face,
            pivot,
            config=config.pseudoview,
            latent=config.latent,
            seed=seed,
            save_pictures=show_views,
        )
    if not config.pseudoview.restart:
        generator.change(bent.changes())
    if mirror is None:
        return Others(views)
    look = looks[config.tuning.backbone]
    where = (pivot.w_plus, pivot.camera)
    terms = tuning_terms(generator, look, face, *where, mirror, config.symmetry, seed=seed)
    return Others(views, mirror, tuple(terms))


def tuned_by(
    run: Run,
    name: str,
    generator: Generator,
    looks: Looks,
    face: Face,
    pivot: Pivot,
    config: TuningConfig,
    seed: int,
    **more: Any,
) -> Tuned:
    """The stage of that name, a tuning on the photo and what `more` names of `tune`'s inputs; it changes the generator."""
    return run.stage(
        name,
        tune,
        generator,
        looks[config.backbone],
        face,
        pivot,
        config=config,
        measure=looks.measure,
        seed=seed,
        stage=name,
        save_pictures=show_fit,
        **more,
    )


def provenance(
    name: str,
    photo_hash: str,
    config: InvertConfig,
    generator_hash: str,
    where: torch.device,
    seed: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the first stage depends on, all later ones through it; and what a run tells of itself."""
    first = {
        "photo": photo_hash,
        "generator": generator_hash,
        "seed": seed,
        "device": where.type,
    }
    if config.resolution != "full":
        first["resolution"] = config.resolution
    about = {
        "photo": name,
        "generator": lasting(config.generator),
        "seed": seed,
        "device": str(where),
    }
    return first, about


def opened(photo: str | os.PathLike[str] | np.ndarray) -> tuple[np.ndarray, str, str]:
    """Pixels, a name, and the hash of the bytes that the pixels came from."""
    if isinstance(photo, np.ndarray):
        return (
            photo,
            "photo",
            hashlib.sha256(f"{photo.shape}".encode() + photo.tobytes()).hexdigest(),
        )
    pixels = read(photo)
    return pixels, Path(photo).name, hashlib.sha256(Path(photo).read_bytes()).hexdigest()


def open_head(path: str | os.PathLike[str], device: str = "auto") -> Head:
    """The head of a finished run, or of an edit of one.

    Raises:
        UsageError: there is no run.
        HfinvError: it is not finished.
    """
    where = devices.choose(device)
    if editing.is_edit(path):
        return editing.load(path, open_head(Path(path).resolve().parent.parent, device))
    run = Run.open(path, where)
    tuned = run.load("tuning", Tuned)
    return assemble(load_generator(run.about["generator"], where), tuned, Path(path))


def generator_of(path: str | os.PathLike[str] | None = None) -> tuple[Generator, Path, str]:
    """The untouched generator that a run or an edit was made with, its file and that file's SHA-256 then; the bundled
    one if None."""
    if path is None:
        weights = locate(InvertConfig().generator)
        return load_generator(weights), weights, file_hash(weights)
    about = Run.open(editing.root_of(path)).about
    weights = locate(about["generator"])
    return load_generator(weights), weights, about["inputs"]["generator"]


@torch.no_grad()
def assemble(generator: Any, tuned: Tuned, path: Path) -> Head:
    """The tuned generator with its pivot, and the planes that every picture is drawn from."""
    generator.change(tuned.weights)
    return Head(
        generator,
        tuned.w_plus,
        generator.planes(tuned.w_plus),
        tuned.camera,
        tuned.psnr,
        tuned.lpips,
        path,
    )


def show_face(face: Face, folder: Path, photo: np.ndarray) -> None:
    """Pictures of the intake: the photo, the crop, its matte, and the overlay that a person judges it by."""
    overlay.save_framed(folder / PHOTO, photo, face)
    save_png(folder / "crop.png", face.photo)
    save_png(folder / "matte.png", (2 * face.foreground - 1).expand(-1, 3, -1, -1))
    save_png(folder / "overlay.png", overlay.draw(face))


def tuned_copy(generator: Generator, tuned: Tuned) -> Generator:
    """A copy of the generator with tuned weights, frozen."""
    other = copy.deepcopy(generator)
    other.change(tuned.weights)
    return other


def show_views(views: PseudoViews, folder: Path) -> None:
    """The pseudo views, a row a camera: the photo's part, its mask, the painted part, the blend; and what z_o ignored."""
    grey = views.visible * views.seen.float()
    rows = torch.cat(
        [grey, (2 * views.visible - 1).expand_as(grey), views.painted.float(), views.images], 3
    )
    save_png(folder / "views.png", torch.cat(list(rows), 1))
    save_png(folder / "known.png", (2 * views.known - 1).expand(-1, 3, -1, -1))


def show_mirror(mirror: Mirror, folder: Path) -> None:
    """Mirrored photo, its weight, what the photo does not see, what is symmetric; below, the neighbours and their masks."""
    maps = [mirror.weight, mirror.unseen, mirror.symmetric]
    first = [mirror.photo, *((2 * one - 1).expand_as(mirror.photo) for one in maps)]
    save_png(folder / "mirror.png", torch.cat(first, 3))
    if len(mirror.images):
        masks = (2 * mirror.masks - 1).expand_as(mirror.images)
        rows = torch.cat([mirror.masks * mirror.images, masks], 3)
        save_png(folder / "neighbours.png", torch.cat(list(rows), 1))


def show_fit(result: Pivot | Tuned, folder: Path) -> None:
    """The picture of a fit."""
    save_png(folder / "fit.png", result.fit)
