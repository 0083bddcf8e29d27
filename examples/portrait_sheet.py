"""What the latent search alone makes of photos: is sex, age, skin and hair right at a glance, before anything is tuned?

    python examples/portrait_sheet.py sheet.png PHOTO...

A row a photo: its crop, the encoder's guess, then the head that the default preset's search finds, from the photo's camera
and turned. Prints the foreground PSNR and LPIPS (AlexNet) of both at the photo's view.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hfinv.config import InvertConfig
from hfinv.errors import HfinvError
from hfinv.generators import load_generator
from hfinv.generators.base import Generator
from hfinv.image import contact_sheet, read, save_png, shrink, to_bytes
from hfinv.intake import take_in
from hfinv.latent import Pivot, estimate_latent
from hfinv.perceptual import Perceptual
from hfinv.render import still_camera

YAWS = (-45, 45, 180)
"""Degrees, where the found head is looked at from besides the photo's camera."""


def looked_at(generator: Generator, perceptual: Perceptual, photo: Path) -> list[np.ndarray]:
    """A row of pictures, uint8 [H, W, 3]."""
    config = InvertConfig()
    face = take_in(read(photo), config.intake)
    still = replace(config.latent, camera_steps=0, w_steps=0, w_plus_steps=0, landmarks=0.0)
    guess, found = (
        estimate_latent(generator, perceptual, face, search) for search in (still, config.latent)
    )
    figures = [f"{pivot.psnr:.1f} dB, LPIPS {pivot.lpips:.3f}" for pivot in (guess, found)]
    print(f"{photo.name}: encoder {figures[0]}; with W+ {figures[1]}", flush=True)
    own = (shrink(face.photo, generator.card.image_size), guess.fit, found.fit)
    return [to_bytes(image[0]) for image in own] + turned(generator, found)


@torch.no_grad()
def turned(generator: Generator, pivot: Pivot) -> list[np.ndarray]:
    """The head from `YAWS`."""
    planes = generator.planes(pivot.w_plus)
    cameras = [still_camera(generator, yaw) for yaw in YAWS]
    drawn = [
        generator.render(planes, pivot.w_plus, camera, background=0.0).image for camera in cameras
    ]
    return [to_bytes(image[0]) for image in drawn]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="the picture")
    parser.add_argument("photos", type=Path, nargs="+", help="one face each")
    parser.add_argument("--generator", default="heads", help="bundled name or file")
    given = parser.parse_args()
    generator, perceptual = load_generator(given.generator), Perceptual()
    rows = []
    for photo in given.photos:
        try:
            rows += looked_at(generator, perceptual, photo)
        except HfinvError as error:
            print(f"{photo.name}: {error}", flush=True)
    if rows:
        save_png(given.out, contact_sheet(rows, len(YAWS) + 3))


if __name__ == "__main__":
    main()
