"""Photos come in upright and in sRGB; pictures go out whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from hfinv import image
from hfinv.errors import HfinvError, PhotoError


@pytest.fixture
def picture() -> np.ndarray:
    """uint8 [80, 96, 3]: smooth, and different under every turn and flip."""
    y, x = np.mgrid[:80, :96]
    return np.stack([x * 2, y * 3, 40 + x + y // 2], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("suffix", "options", "tolerance"),
    [
        ("png", {}, 0),
        ("bmp", {}, 0),
        ("tiff", {}, 0),
        ("jpg", {"quality": 95}, 8),
        ("webp", {"lossless": True}, 0),
    ],
)
def test_common_formats_read_as_the_picture_they_hold(
    tmp_path, picture, suffix, options, tolerance
):
    Image.fromarray(picture).save(tmp_path / f"a.{suffix}", **options)
    found = image.read(tmp_path / f"a.{suffix}")
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - picture).max() <= tolerance


TURNED = (
    {  # what a camera stores for an upright picture, by EXIF's definition of row 0 and column 0
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: np.rot90(a, -1),
    }
)


@pytest.mark.parametrize("orientation", TURNED)
def test_every_exif_orientation_comes_out_upright(tmp_path, picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(TURNED[orientation](picture))
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(image.read(tmp_path / "a.png"), picture)


@pytest.mark.filterwarnings("error")
def test_a_damaged_exif_block_does_not_spoil_the_photo(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\xff")
    np.testing.assert_array_equal(image.read(tmp_path / "a.png"), picture)


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_photos_have_three_equal_channels(tmp_path, picture, mode):
    Image.fromarray(picture).convert(mode).save(tmp_path / "a.png")
    expected = np.array(Image.fromarray(picture).convert("1" if mode == "1" else "L").convert("L"))
    np.testing.assert_array_equal(
        image.read(tmp_path / "a.png"), np.repeat(expected[..., None], 3, -1)
    )


def test_what_is_transparent_becomes_white(tmp_path, picture):
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    alpha[:, :48] = 0
    alpha[:10] = 51  # a fifth
    Image.fromarray(np.dstack([picture, alpha])).save(tmp_path / "a.png")
    weight = alpha[..., None] / 255
    expected = weight * picture + (1 - weight) * 255
    assert np.abs(image.read(tmp_path / "a.png") - expected).max() <= 1


def test_a_transparent_palette_entry_becomes_white(tmp_path):
    indices = np.zeros((70, 70), np.uint8)
    indices[35:] = 1
    stored = Image.fromarray(indices, mode="P")
    stored.putpalette([200, 10, 30, 0, 0, 250])
    stored.save(tmp_path / "a.png", transparency=1)
    found = image.read(tmp_path / "a.png")
    assert found[0, 0].tolist() == [200, 10, 30]
    assert found[-1, -1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey_is_scaled_rather_than_clipped(tmp_path, suffix):
    levels = np.linspace(0, 65535, 70 * 80).reshape(70, 80).round().astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / f"a.{suffix}")
    found = image.read(tmp_path / f"a.{suffix}")
    assert np.abs(found[..., 1] - levels / 257).max() <= 0.5
    assert found.min() == 0 and found.max() == 255


def test_sixteen_bit_colour_is_scaled_rather_than_clipped(tmp_path, picture):
    path = tmp_path / "a.png"
    path.write_bytes(_png(picture.astype(">u2") * 257, depth=16, colour=2))
    assert np.abs(image.read(path).astype(int) - picture).max() <= 1


def test_float_grey_spans_black_to_white(tmp_path):
    levels = np.linspace(0, 1, 70 * 80, dtype=np.float32).reshape(70, 80)
    Image.fromarray(levels).save(tmp_path / "a.tiff")
    assert np.abs(image.read(tmp_path / "a.tiff")[..., 0] - levels * 255).max() <= 0.5 + 1e-3


def test_cmyk_without_a_profile_is_ink_on_white(tmp_path):
    Image.new("CMYK", (80, 80), (255, 0, 0, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(image.read(tmp_path / "a.jpg").astype(int) - [0, 255, 255]).max() <= 3


def test_a_colour_profile_is_followed(tmp_path, picture):
    muted = (96 + picture // 4).astype(np.uint8)  # LAB's bytes are coarse at the edge of sRGB
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    stored = ImageCms.profileToProfile(Image.fromarray(muted), srgb, lab, outputMode="LAB")
    stored.save(tmp_path / "a.tiff")
    assert np.abs(image.read(tmp_path / "a.tiff").astype(int) - muted).max() <= 4


def test_an_embedded_profile_is_converted_to_srgb(tmp_path, picture):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    crossed = profile.replace(b"rXYZ", b"****").replace(b"bXYZ", b"rXYZ").replace(b"****", b"bXYZ")
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=crossed)  # its red is sRGB's blue
    assert np.abs(image.read(tmp_path / "a.png")[..., ::-1].astype(int) - picture).max() <= 2


def test_a_damaged_colour_profile_is_ignored(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.png", icc_profile=b"no profile at all")
    np.testing.assert_array_equal(image.read(tmp_path / "a.png"), picture)


def test_the_smallest_photo_is_accepted_and_one_pixel_less_is_not(tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    assert image.read(tmp_path / "a.png").shape == (64, 64, 3)
    Image.new("RGB", (63, 900)).save(tmp_path / "b.png")
    with pytest.raises(PhotoError, match="63 x 900 pixels, too small"):
        image.read(tmp_path / "b.png")


@pytest.mark.parametrize("side", [10_001, 20_000])
def test_a_huge_photo_is_refused_from_its_header(tmp_path, side):
    path = tmp_path / "a.png"
    path.write_bytes(_png_of_header(side, side))  # there are no pixels to decode
    with pytest.raises(PhotoError, match="larger than 100 megapixels"):
        image.read(path)


def test_between_pillow_s_warning_and_our_limit_the_size_is_no_problem(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(_png_of_header(10_000, 9_900))
    with pytest.raises(
        PhotoError, match="damaged or cut off"
    ):  # and not a warning, nor "larger than"
        image.read(path)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_a_cut_off_file_is_called_so(tmp_path, picture, suffix):
    buffer = io.BytesIO()
    noisy = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noisy).save(buffer, {"jpg": "jpeg"}.get(suffix, suffix))
    (tmp_path / f"a.{suffix}").write_bytes(_cut(buffer.getvalue()))
    with pytest.raises(PhotoError, match="damaged|cut off|not an image"):
        image.read(tmp_path / f"a.{suffix}")


HEIC = b"\0\0\0\x18ftypheic" + bytes(100)


@pytest.mark.parametrize(
    ("content", "sentence", "hint"),
    [
        (None, "there is no photo", "check the path"),
        (b"", "is empty", "again"),
        (b"just a text\n" * 20, "not an image in a format", "JPEG"),
        (HEIC, "HEIC", "pip install pillow-heif"),
    ],
)
def test_what_is_no_photo_gets_a_sentence_and_a_hint(
    tmp_path, monkeypatch, content, sentence, hint
):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)  # as if not installed
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PhotoError, match=sentence) as caught:
        image.read(path)
    assert hint in caught.value.hint
    assert str(path) in caught.value.message and caught.value.exit_code == 3


def test_a_folder_is_not_a_photo(tmp_path):
    with pytest.raises(PhotoError, match="is a folder"):
        image.read(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(PhotoError, match="not a regular file"):
        image.read(tmp_path / "a.jpg")


def test_a_photo_that_may_not_be_read_names_the_permission(tmp_path, picture, monkeypatch):
    Image.fromarray(picture).save(tmp_path / "a.png")

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # as root, no mode bits would refuse
    with pytest.raises(PhotoError, match="may not be read"):
        image.read(tmp_path / "a.png")


def test_bytes_to_tensor_and_back_changes_nothing(picture):
    tensor = image.to_tensor(picture)
    assert tensor.shape == (1, 3, 80, 96) and tensor.min() >= -1 and tensor.max() <= 1
    np.testing.assert_array_equal(image.to_bytes(tensor), picture)


def test_levels_round_half_to_even_and_clamp():
    halves = ((np.arange(255) * 2 + 1) / 255 - 1).astype(np.float32)
    scaled = (halves + 1) * np.float32(127.5)
    exact = scaled % 1 == 0.5
    assert (exact & (scaled % 2 < 1)).any() and (
        exact & (scaled % 2 > 1)
    ).any()  # both ways are tried
    levels = torch.from_numpy(np.concatenate([halves, np.float32([-9, -1, 0, 1, 9])]))
    found = image.to_bytes(levels.reshape(1, 1, -1).expand(3, 1, -1))
    assert found[0, :, 0].tolist() == [*np.rint(scaled).astype(int), 0, 0, 128, 255, 255]


def test_halving_a_picture_averages_and_keeps_its_range():
    board = torch.tensor([[-1.0, 1.0], [1.0, -1.0]]).repeat(1, 1, 16, 16)
    small = image.resize(board, 16)
    assert small.shape == (1, 1, 16, 16)
    assert small.abs().max() < 0.03  # a checkerboard is grey from afar; nearest would keep +-1
    step = torch.ones(1, 3, 8, 8)
    step[..., :4] = -1
    assert image.resize(step, 32).abs().max() <= 1


def test_a_png_is_written_whole_and_nothing_lies_beside_it(tmp_path, picture):
    path = image.save_png(tmp_path / "new" / "a.png", picture)
    np.testing.assert_array_equal(np.array(Image.open(path)), picture)
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


def test_a_full_disk_leaves_the_old_picture_alone(tmp_path, picture, monkeypatch):
    path = image.save_png(tmp_path / "a.png", picture)
    before = path.read_bytes()

    def full(self, target, **_):
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(HfinvError, match="disk is full") as caught:
        image.save_png(path, picture[::-1])
    assert caught.value.exit_code == 1
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path, picture):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HfinvError, match="cannot be written") as caught:
        image.save_png(tmp_path / "file" / "a.png", picture)
    assert "--out" in caught.value.hint


def test_a_contact_sheet_keeps_every_picture_where_it_belongs(picture):
    small = np.full((40, 48, 3), 7, np.uint8)
    sheet = image.contact_sheet(
        [picture, small, picture], columns=2, labels=["first", "second", "third"]
    )
    strip = sheet.shape[0] // 2 - 80
    assert sheet.shape == (2 * (80 + strip), 2 * 96, 3) and strip > 0
    np.testing.assert_array_equal(sheet[:80, :96], picture)
    np.testing.assert_array_equal(sheet[20:60, 120:168], small)
    np.testing.assert_array_equal(sheet[80 + strip : 160 + strip, :96], picture)
    assert sheet[80 : 80 + strip, :96].min() < 128  # its label is drawn
    assert sheet[80 + strip :, 96:].min() == 255  # the empty cell is white


def test_a_label_wider_than_its_picture_runs_on_to_the_right_from_its_left_edge(picture):
    labels = ["wider than one picture of this sheet", "", "", ""]
    strip = image.contact_sheet([picture] * 4, 4, labels)[80:]
    columns = np.flatnonzero((strip < 128).any((0, 2)))
    assert 0 <= columns[0] < 4 and 96 < columns[-1] < 3 * 96


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(levels: np.ndarray, depth: int, colour: int) -> bytes:
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], depth, colour, 0, 0, 0)
    parts = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def _png_of_header(width: int, height: int) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + header
        + _chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + _chunk(b"IEND", b"")
    )


def test_two_who_write_the_same_file_do_not_write_into_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with image.written_aside(path, shared=True) as mine:
        child = os.fork()
        if not child:
            with image.written_aside(path, shared=True) as other:
                other.write_bytes(b"other")
            os._exit(int(other == mine))
        assert os.waitpid(child, 0)[1] == 0
        assert path.read_bytes() == b"other" and not mine.exists()
        mine.write_bytes(b"mine")
    assert path.read_bytes() == b"mine"
    assert [one.name for one in tmp_path.iterdir()] == ["a.bin"]
