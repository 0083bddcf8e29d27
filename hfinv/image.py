"""Pictures between files and tensors: any photo in, upright sRGB; any tensor out, whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms, ImageDraw, ImageFont, UnidentifiedImageError
from torch import Tensor

from hfinv.errors import HfinvError, PhotoError

SMALLEST_SIDE = 64
"""Pixels: a face in less has no features left to fit."""
MOST_PIXELS = 100_000_000
"""Above this a photo is refused before it is decoded: it would need gigabytes."""

_ORIENTATION = 0x0112  # the EXIF tag
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow's decoders raise on damaged files, by format."""


def read(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a photo as a person sees it: upright, sRGB, transparent parts over white.

    Args:
        path: JPEG, PNG, WebP, TIFF or anything else that Pillow reads; of an animation, its first frame.

    Returns:
        uint8 [H, W, 3] RGB.

    Raises:
        PhotoError: there is no such photo, or it cannot be used.
    """
    path = Path(path)
    with _opened(path) as file, warnings.catch_warnings():
        # Pillow warns from 89 megapixels on, where our own limit follows, and of damaged EXIF blocks.
        warnings.simplefilter("ignore")
        image = _identified(file, path)
        _check_size(*image.size, path)
        try:
            image.load()
            return np.array(_upright(_to_rgb(image), _orientation(image)))
        except _DAMAGE as error:
            raise PhotoError(
                f"`{path}` is damaged or cut off ({_reason(error)})",
                "copy or download the photo again",
            ) from error


def to_tensor(pixels: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] -> float32 [1, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 127.5 - 1


def to_bytes(image: Tensor) -> np.ndarray:
    """[3, H, W] or [1, 3, H, W] in [-1, 1], clamped -> uint8 [H, W, 3]; halves round to even.

    One channel instead of three gives grey.
    """
    image = image.detach().reshape(image.shape[-3:]).float()
    levels = ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return levels.expand(3, -1, -1).permute(1, 2, 0).contiguous().cpu().numpy()


def resize(image: Tensor, size: int) -> Tensor:
    """[B, C, H, W] -> [B, C, size, size], without aliasing; values stay inside [-1, 1] or their own range."""
    if image.shape[-2:] == (size, size):
        return image
    low, high = image.min().item(), image.max().item()  # bicubic weights overshoot at edges
    resized = F.interpolate(
        image, (size, size), mode="bicubic", antialias=True, align_corners=False
    )
    return resized.clamp(low, high)


def shrink(image: Tensor, size: int) -> Tensor:
    """[B, C, S, S] -> [B, C, size, size], without aliasing: softer than `resize`, and a mask's sum stays what it was.

    Where S is less than the new size it is bilinear, as without.
    """
    if image.shape[-1] == size:
        return image
    return F.interpolate(
        image, size=(size, size), mode="bilinear", antialias=True, align_corners=False
    )


def save_png(path: str | os.PathLike[str], image: np.ndarray | Tensor) -> Path:
    """Write uint8 [H, W, 3] or [H, W], or a tensor as `to_bytes` takes it, as a PNG; returns its path."""
    pixels = to_bytes(image) if isinstance(image, Tensor) else image
    path = Path(path)
    with written_aside(path) as aside:
        Image.fromarray(pixels).save(aside, format="PNG")
    return path


@contextmanager
def written_aside(path: str | os.PathLike[str], shared: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name `path` when the block ends well, else it goes.

    Missing folders are made. A reader of `path` sees the old file or the whole new one.

    Args:
        path: the file.
        shared: other processes may be writing the same file; each then has an aside of its own.

    Raises:
        HfinvError: the disk is full, the folder refuses, or any other OSError of the block.
    """
    path = Path(path)
    own = f".{os.getpid()}" if shared else ""
    aside = path.with_name(f".{path.stem}{own}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        os.replace(aside, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        if os.access(aside, os.F_OK):
            aside.unlink()


def contact_sheet(
    images: Sequence[np.ndarray], columns: int, labels: Sequence[str] | None = None
) -> np.ndarray:
    """Lay pictures out in rows, for a person to judge.

    Args:
        images: uint8 [H, W, 3] each; smaller ones are centred in the largest one's cell.
        columns: pictures a row.
        labels: a line under each picture; one that is wider runs on to the right.

    Returns:
        uint8 [rows * cell, columns * cell, 3], white between the pictures.
    """
    height = max(len(image) for image in images)
    width = max(image.shape[1] for image in images)
    strip = max(16, width // 16) if labels else 0
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (height + strip)), "white")
    draw = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        x, y = index % columns * width, index // columns * (height + strip)
        sheet.paste(
            Image.fromarray(image),
            (x + (width - image.shape[1]) // 2, y + (height - len(image)) // 2),
        )
        if labels:
            font = ImageFont.load_default(size=strip * 0.7)
            left = max(0, width - draw.textlength(labels[index], font)) // 2
            draw.text((x + left, y + height + strip // 2), labels[index], "black", font, "lm")
    return np.array(sheet)


def _opened(path: Path) -> BinaryIO:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise PhotoError(f"`{path}` is a folder, not a photo", "name one image file in it")
        if not stat.S_ISREG(mode):  # a pipe or a device could be read for ever
            raise PhotoError(f"`{path}` is not a regular file", "name an image file")
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PhotoError(
            f"there is no photo `{path}`", "check the path for typing errors"
        ) from error
    except PermissionError as error:
        raise PhotoError(f"`{path}` may not be read", f"allow it with `chmod +r {path}`") from error
    except (OSError, ValueError) as error:
        raise PhotoError(
            f"`{path}` cannot be opened ({_reason(error)})", "check the path"
        ) from error


def _identified(file: BinaryIO, path: Path) -> Image.Image:
    head = file.read(32)
    file.seek(0)
    if not head:
        raise PhotoError(f"`{path}` is empty", "copy or download the photo again")
    if head[4:8] == b"ftyp" and head[8:12] in (
        b"heic",
        b"heix",
        b"heim",
        b"hevc",
        b"mif1",
        b"msf1",
    ):
        _register_heif(path)
    try:
        return Image.open(file)
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except UnidentifiedImageError as error:
        raise PhotoError(
            f"`{path}` is not an image in a format that hfinv reads", "save it as JPEG, PNG or WebP"
        ) from error
    except _DAMAGE as error:
        raise PhotoError(
            f"`{path}` is damaged ({_reason(error)})", "copy or download the photo again"
        ) from error


def _register_heif(path: Path) -> None:
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError(
            f"`{path}` is a HEIC photo, which needs another package",
            "pip install pillow-heif, or save it as JPEG",
        ) from error
    pillow_heif.register_heif_opener()


def _check_size(width: int, height: int, path: Path) -> None:
    if width * height > MOST_PIXELS:
        raise _too_large(path, f" ({width} x {height})")
    if min(width, height) < SMALLEST_SIDE:
        raise PhotoError(
            f"`{path}` is {width} x {height} pixels, too small for a face",
            f"use a photo of at least {SMALLEST_SIDE} pixels a side, better 512",
        )


def _too_large(path: Path, size: str = "") -> PhotoError:
    return PhotoError(
        f"`{path}` is larger than {MOST_PIXELS // 1_000_000} megapixels{size}",
        "crop it to the face, or scale it down",
    )


def _to_rgb(image: Image.Image) -> Image.Image:
    """8-bit sRGB of any mode; what is transparent becomes white."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bit(np.asarray(image), image.mode)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        colour = _in_srgb(image.convert("RGB"), image.info.get("icc_profile"))
        over = Image.new("RGB", image.size, "white")
        over.paste(colour, mask=alpha)
        return over
    if image.mode not in ("RGB", "L", "CMYK", "LAB"):
        image = image.convert("RGB")
    return _in_srgb(image, image.info.get("icc_profile"))


def _eight_bit(levels: np.ndarray, mode: str) -> np.ndarray:
    """Grey of more than 8 bits -> uint8 [H, W], by the range that the numbers are made for.

    Integers span 16 bits, or 32 where one goes beyond; floats span [0, 1], or [0, their maximum].
    """
    levels = np.nan_to_num(levels.astype(np.float64), posinf=0.0, neginf=0.0)
    top = levels.max()
    if mode == "F":
        white = max(top, 1.0)
    else:
        white = 65535.0 if top <= 65535 else 2.0**31 - 1
    return np.rint(levels.clip(0, white) * (255 / white)).astype(np.uint8)


def _in_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    if image.mode == "LAB":
        source = ImageCms.createProfile("LAB")
    elif icc:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc)) if _is_readable(icc) else None
    else:
        source = None
    if source is None:
        return image.convert("RGB")
    try:
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (
        ImageCms.PyCMSError
    ):  # a profile of another colour space than the pixels': viewers ignore it too
        return image.convert("RGB")


def _is_readable(icc: bytes) -> bool:
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(icc))
    except (ImageCms.PyCMSError, OSError):
        return False
    return True


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except _DAMAGE:  # a damaged note about the photo does not spoil the photo
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _cannot_write(path: Path, error: OSError) -> HfinvError:
    if error.errno == errno.ENOSPC:
        return HfinvError(
            f"the disk is full: `{path}` was not written",
            "free some space and run the same command again",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return HfinvError(f"`{path}` may not be written", "choose another folder with `--out`")
    return HfinvError(
        f"`{path}` cannot be written ({_reason(error)})", "choose another folder with `--out`"
    )
