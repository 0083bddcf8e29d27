"""The method on one page."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hfinv import device as devices
from hfinv.config import InvertConfig, to_toml
from hfinv.generators import load_generator, locate
from hfinv.generators.checkpoint import file_hash
from hfinv.head import Head
from hfinv.image import read, save_png
from hfinv.intake import Face, overlay, take_in
from hfinv.latent import Pivot, estimate_latent
from hfinv.perceptual import Perceptual
from hfinv.progress import Progress, ignore
from hfinv.run import Run
from hfinv.tuning import Tuned, tune


def invert(
    photo: str | os.PathLike[str] | np.ndarray,
    out: str | os.PathLike[str] | None = None,
    config: InvertConfig | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = ignore,
) -> Head:
    """Turn one photo into a 3D head.

        photo - intake - latent - tuning - head

    Pseudo views and the mirrored view will stand between latent and tuning.

    Args:
        photo: path of a picture, or uint8 [H, W, 3] RGB.
        out: run directory; stages that it already holds are kept. `NAME.hfinv` beside nothing if None.
        config: the settings; the default preset if None.
        device: auto, cpu, cuda or cuda:n.
        seed: of everything drawn at random.
        progress: hears of each stage and each step.

    Raises:
        HfinvError: what went wrong, in a sentence; what was finished stays in `out`.
    """
    config = config or InvertConfig()
    pixels, name, photo_hash = opened(photo)
    where = devices.choose(device)
    first = {
        "photo": photo_hash,
        "generator": file_hash(locate(config.generator)),
        "seed": seed,
        "device": where.type,
    }
    about = {"photo": name, "generator": config.generator, "seed": seed, "device": str(where)}
    path = Path(out) if out is not None else Path(f"{Path(name).stem}.hfinv")
    with Run.create(
        path,
        first_key_parts=first,
        about=about,
        settings=to_toml(config),
        device=where,
        progress=progress,
    ) as run:
        # 1. Find the face, crop it as the generator's training photos were, solve its camera.
        face = run.stage("intake", take_in, pixels, config=config.intake, save_pictures=show_face)
        generator = load_generator(config.generator, where)
        perceptual = Perceptual().to(where)

        # 2. Find the latent whose rendering comes nearest; the camera is refined with it.
        pivot = run.stage(
            "latent",
            estimate_latent,
            generator,
            perceptual,
            face,
            config=config.latent,
            seed=seed,
            save_pictures=show_fit,
        )

        # 3. Tune the generator until it draws the photo.
        tuned = run.stage(
            "tuning",
            tune,
            generator,
            perceptual,
            face,
            pivot,
            config=config.tuning,
            seed=seed,
            save_pictures=show_fit,
        )
        return assemble(generator, tuned, path)


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
    """The head of a finished run.

    Raises:
        UsageError: there is no run.
        HfinvError: it is not finished.
    """
    where = devices.choose(device)
    run = Run.open(path, where)
    tuned = run.load("tuning", Tuned)
    return assemble(load_generator(run.about["generator"], where), tuned, Path(path))


@torch.no_grad()
def assemble(generator: Any, tuned: Tuned, path: Path) -> Head:
    """The tuned generator with its pivot, and the planes that every picture is drawn from."""
    generator.load_state_dict({name: value.float() for name, value in tuned.weights.items()})
    generator.requires_grad_(False)
    return Head(
        generator,
        tuned.w_plus,
        generator.planes(tuned.w_plus),
        tuned.camera,
        tuned.psnr,
        tuned.lpips,
        path,
    )


def show_face(face: Face, folder: Path) -> None:
    """Pictures of the intake: the crop, its matte, and the overlay that a person judges it by."""
    save_png(folder / "crop.png", face.photo)
    save_png(folder / "matte.png", (2 * face.foreground - 1).expand(-1, 3, -1, -1))
    save_png(folder / "overlay.png", overlay.draw(face))


def show_fit(result: Pivot | Tuned, folder: Path) -> None:
    """The picture of a fit."""
    save_png(folder / "fit.png", result.fit)
