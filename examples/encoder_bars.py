"""How good a guess the encoder makes alone, on heads that neither it nor the generator was trained on.

    python examples/encoder_bars.py --encoder training/encoder/encoder.safetensors --heads 64 --out bars

Each head's most frontal view is guessed from, as the intake would hand it on: badly cropped, covered, mis-measured.
Writes OUT/encoder.json and OUT/encoder.png: view | the guess | true z, drawn | another view | the guess | true z, drawn.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from generator_bars import SEED, arguments, held_out

from hfinv.encoders import BUNDLED, Encoder, by_name, load_encoder
from hfinv.generators import load_generator
from hfinv.generators.base import Generator
from hfinv.image import contact_sheet, save_png, to_bytes
from hfinv.losses import psnr
from hfinv.perceptual import Perceptual
from hfinv.training.augment import AugmentConfig, augment
from hfinv.training.dataset import Batch

STARTS = ("mean", "guess", "truth")
"""Whose factors are drawn: none, the encoder's, the head's own."""
SHOWN = ("hair_length", "gender", "age", "hair_darkness", "hair_grey", "ancestry_african", "smile")
"""Factors whose correlation with the truth is printed; the file has all."""


def guessed(
    encoder: Encoder, generator: Generator, batch: Batch, view: int, rng: np.random.Generator
) -> torch.Tensor:
    """The encoder's z [1, Z] from one view, spoilt as in training."""
    image, alpha = batch.image[:, view], batch.alpha[:, view]
    # The picture lies over grey 0, so half of picture and coverage is colour times coverage.
    colour = torch.cat([(image + alpha) / 2, alpha], 1)
    spoilt = augment(colour, batch.camera[view], generator.card.pivot, AugmentConfig(), rng)
    known = encoder(spoilt.crop, spoilt.camera)[0]
    return by_name(known, encoder.card.factors, [f.name for f in generator.card.factors])


def drawn(
    generator: Generator, z: torch.Tensor, batch: Batch, views: list[int], perceptual: Perceptual
) -> list[tuple[torch.Tensor, float, float]]:
    """(picture, foreground PSNR, LPIPS) of z at each of the batch's `views`."""
    w_plus = generator.map(z)
    planes = generator.planes(w_plus)
    found = []
    for view in views:
        image = generator.render(planes, w_plus, batch.camera[view], background=0.0).image
        truth = batch.image[:, view]
        quality = psnr(image, truth, batch.alpha[:, view])
        found.append((image, quality, perceptual(image, truth).item()))
    return found


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", type=Path, default=BUNDLED)
    given = arguments(parser)
    folder, generator = held_out(given.out, given.heads), load_generator(given.generator)
    encoder, perceptual = load_encoder(given.encoder), Perceptual()
    names = [factor.name for factor in generator.card.factors]
    rng = np.random.default_rng(SEED)
    figures = {start: [] for start in STARTS}
    guesses, truths, pictures = [], [], []
    for index in range(given.heads):
        batch = folder.batch([index])
        order = batch.camera.angles()[0].abs().argsort()
        views = [int(order[0]), int(order[1])]
        truth = batch.z[:, : len(names)]
        guess = guessed(encoder, generator, batch, views[0], rng)
        z = dict(zip(STARTS, (torch.zeros_like(truth), guess, truth)))
        found = {s: drawn(generator, z[s], batch, views, perceptual) for s in STARTS}
        for start in STARTS:
            figures[start].append([number for view in found[start] for number in view[1:]])
        for place, view in enumerate(views):
            pictures.append(to_bytes(batch.image[:, view]))
            pictures += [to_bytes(found[start][place][0]) for start in STARTS[1:]]
        guesses.append(guess)
        truths.append(truth)
    report(given, names, torch.cat(guesses), torch.cat(truths), figures)
    save_png(given.out / "encoder.png", contact_sheet(pictures[: 6 * 12], 6))


def report(
    given: argparse.Namespace,
    names: list[str],
    guess: torch.Tensor,
    truth: torch.Tensor,
    figures: dict[str, list[list[float]]],
) -> None:
    """Print and write the means over all heads."""
    both = torch.stack([guess, truth]).unbind(2)
    known = {name: float(torch.corrcoef(pair)[0, 1]) for name, pair in zip(names, both)}
    means = {start: np.mean(figures[start], 0).tolist() for start in STARTS}
    print("correlation:", ", ".join(f"{n} {known[n]:.2f}" for n in SHOWN if n in known))
    print("        view given          next view\n        PSNR    LPIPS       PSNR    LPIPS")
    for start, (quality, lpips, aside, lpips_aside) in means.items():
        print(f"{start:8}{quality:5.2f}   {lpips:.3f}       {aside:5.2f}   {lpips_aside:.3f}")
    text = {"correlation": known, "drawn": means, "heads": given.heads}
    (given.out / "encoder.json").write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    main()
