"""Whether samples of a generator are copies of the portraits that its skins come from.

    python examples/nearest_portraits.py PORTRAITS nearest.png

Each sample's face is compared with all portraits, by the bundled face descriptor: those that were trained on and those that
were not (hfinv/training/data/held_out.txt). Copies would lie below 0.5, where two pictures may be called the same face, and
would lie nearer to portraits that were trained on than to as many others. Draws the nearest pairs, sample above portrait.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import hfinv.training
from hfinv.generators import load_generator
from hfinv.generators.base import Generator
from hfinv.identity import CHIP, Identity, chip_from_picture, landmarks
from hfinv.image import contact_sheet, read, save_png, to_bytes
from hfinv.intake.resample import draw
from hfinv.render import still_camera
from hfinv.samples import draw as sample

HELD_OUT = Path(hfinv.training.__file__).parent / "data" / "held_out.txt"
SAME = 0.5
"""Below this, two faces may be called the same."""
PAIRS = 10


def sampled(generator: Generator, count: int) -> list[np.ndarray]:
    """Frontal pictures, uint8 [H, W, 3], of seeds 0 to count - 1."""
    camera, pictures = still_camera(generator), []
    for seed in range(count):
        head = sample(generator, seed)
        pictures.append(to_bytes(generator.render(head.planes, head.w_plus, camera).image[0]))
    return pictures


def described(pictures: list[np.ndarray]) -> tuple[list[np.ndarray], torch.Tensor]:
    """Face chips of those pictures that have a face, and their descriptors [N, 128]."""
    identity, chips, found = Identity(), [], []
    for picture in pictures:
        points = landmarks(picture)
        if points is not None:
            chips.append(draw(picture, chip_from_picture(points), CHIP))
            found.append(identity.describe(picture, points))
    return chips, torch.stack(found)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("portraits", type=Path, help="folder of pictures, one face each")
    parser.add_argument("out", type=Path, help="picture of the nearest pairs")
    parser.add_argument("--generator", default="heads", help="bundled name or file")
    parser.add_argument("--samples", type=int, default=100)
    given = parser.parse_args()
    files = sorted(given.portraits.glob("*.jpg"))
    held_out = set(HELD_OUT.read_text().split())
    trained = [file for file in files if file.stem not in held_out]
    others = [file for file in files if file.stem in held_out]
    chips, known = described([read(file) for file in trained])
    _, never = described([read(file) for file in others])
    shown, samples = described(sampled(load_generator(given.generator), given.samples))
    to_known, to_never = torch.cdist(samples, known), torch.cdist(samples, never)
    nearest, which = to_known.min(1)
    # As many of the trained ones as there are others, on average over all choices.
    rng = torch.Generator().manual_seed(0)
    fair = torch.stack(
        [
            to_known[:, torch.randperm(len(known), generator=rng)[: len(never)]].amin(1)
            for _ in range(200)
        ]
    ).mean(0)
    between = torch.cdist(known, known) + 9 * torch.eye(len(known))
    print(f"{len(samples)} samples, {len(known)} portraits trained on, {len(never)} not")
    print(
        f"nearest portrait trained on: {nearest.min():.2f} at least, {nearest.median():.2f} median"
    )
    print(f"below {SAME}: {(nearest < SAME).sum()} samples")
    print(
        f"nearest of {len(never)}: trained on {fair.mean():.3f}, not {to_never.amin(1).mean():.3f}"
    )
    print(f"portraits to their own nearest: {between.min(1)[0].median():.2f} median")
    order = nearest.argsort()[:PAIRS].tolist()
    pairs = [shown[k] for k in order] + [chips[which[k]] for k in order]
    save_png(given.out, contact_sheet(pairs, len(order)))


if __name__ == "__main__":
    main()
