"""What counts as paint: strokes of known pixels on an example face, after what saving does to pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from painting_examples import portrait
from PIL import Image, ImageDraw

from hfinv.errors import PhotoError
from hfinv.image import to_tensor
from hfinv.painting import find_paint

SIZE = 384


@pytest.fixture(scope="module")
def crop() -> Image.Image:
    return portrait(SIZE)


@pytest.fixture(scope="module")
def strokes() -> np.ndarray:
    mask = Image.new("L", (SIZE, SIZE))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((230, 200, 270, 240), fill=255)
    draw.line((100, 90, 250, 100), fill=255, width=5)
    return np.array(mask) > 0


@pytest.fixture(scope="module")
def painted(crop: Image.Image, strokes: np.ndarray) -> Image.Image:
    pixels = np.array(crop)
    pixels[strokes] = (30, 40, 160)
    return Image.fromarray(pixels)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def tensor(image: Image.Image) -> torch.Tensor:
    return to_tensor(np.array(image))


SAVED = {
    "as it was": (lambda image: image, 0.95),
    "JPEG 90": (lambda image: jpeg(image, 90), 0.8),
    "JPEG 60": (lambda image: jpeg(image, 60), 0.7),
    "doubled": (lambda image: image.resize((2 * SIZE, 2 * SIZE), Image.LANCZOS), 0.9),
    "smaller, JPEG": (lambda image: jpeg(image.resize((300, 300), Image.BICUBIC), 85), 0.65),
    "another profile": (lambda image: image.point(lambda level: level + 3), 0.9),
}


@pytest.mark.parametrize("saved", SAVED)
def test_the_strokes_are_found_and_nothing_else(crop, painted, strokes, saved) -> None:
    change, least = SAVED[saved]
    colour, mask = find_paint(tensor(change(painted)), tensor(crop))
    assert colour.shape == (1, 3, SIZE, SIZE) and mask.shape == (1, 1, SIZE, SIZE)
    found = mask[0, 0].numpy() > 0.5
    assert (found & strokes).sum() / (found | strokes).sum() > least
    rows, columns = np.nonzero(found & ~strokes)
    distance = torch.cdist(
        torch.tensor(np.stack([rows, columns], 1)).double(),
        torch.tensor(np.stack(np.nonzero(strokes), 1)).double(),
    )
    assert not len(rows) or distance.min(1).values.max() <= 8  # one block of JPEG
    middle = colour[0, :, 220, 250]
    assert torch.allclose(middle, torch.tensor([30, 40, 160]) / 127.5 - 1, atol=0.15)


@pytest.mark.parametrize("saved", SAVED)
def test_saving_alone_is_no_paint(crop, saved) -> None:
    with pytest.raises(PhotoError, match="nothing is painted"):
        find_paint(tensor(SAVED[saved][0](crop)), tensor(crop))


def test_another_picture_is_no_paint(crop) -> None:
    other = Image.eval(crop, lambda level: 255 - level)
    with pytest.raises(PhotoError, match="as a whole"):
        find_paint(tensor(other), tensor(crop))


def test_a_picture_that_is_nearly_all_painted_is_refused(crop) -> None:
    pixels = np.array(crop)
    pixels[:, : int(0.85 * SIZE)] = (200, 0, 0)
    with pytest.raises(PhotoError):
        find_paint(to_tensor(pixels), tensor(crop))


def test_another_shape_is_refused(crop, painted) -> None:
    with pytest.raises(PhotoError, match="384 x 300"):
        find_paint(tensor(painted.crop((0, 0, 384, 300))), tensor(crop))
