"""Draw every labelled direction of a generator at -2, 0 and +2 standard deviations: one sheet to judge them by.

python examples/directions_sheet.py docs/directions.jpg
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from hfinv import camera, generators
from hfinv.device import in_half
from hfinv.generators.directions import directions

SIDE, LABEL, COLUMNS = 112, 14, 6
AMOUNTS = (-2.0, 0.0, 2.0)


@torch.no_grad()
def main(out: Path, name: str = "heads") -> None:
    """Draw the sheet.

    Args:
        out: the picture.
        name: of a bundled generator, or a file.
    """
    generator = generators.load_generator(name)
    found = directions(generator)
    mean, view = generator.mean_latent(), camera.look_at(math.radians(15))
    rows = math.ceil(len(found.names) / COLUMNS)
    width = len(AMOUNTS) * SIDE
    sheet = Image.new("RGB", (COLUMNS * (width + 6), rows * (SIDE + LABEL)), "white")
    write = ImageDraw.Draw(sheet)
    still = drawn(generator, mean, view)
    for index, factor in enumerate(found.names):
        # Down the columns, so that related factors stand together.
        x, y = index // rows * (width + 6), index % rows * (SIDE + LABEL)
        write.text((x + 2, y + 1), factor, fill="black")
        for place, amount in enumerate(AMOUNTS):
            w_plus = mean + found.along(factor, amount)
            picture = drawn(generator, w_plus, view) if amount else still
            sheet.paste(picture, (x + place * SIDE, y + LABEL))
    sheet.save(out, quality=85)


def drawn(generator: generators.base.Generator, w_plus: torch.Tensor, view: camera.Camera) -> Image:
    """A small picture of one latent."""
    with in_half(torch.device("cpu")):
        image = generator.render(generator.planes(w_plus), w_plus, view, background=1.0).image
    pixels = (127.5 * (image[0].float().clamp(-1, 1) + 1)).byte().permute(1, 2, 0).numpy()
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((SIDE, SIDE), Image.LANCZOS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
