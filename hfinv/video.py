"""Frames to a video file that plays everywhere."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import imageio.v3 as imageio
import imageio_ffmpeg
import numpy as np

from hfinv.errors import HfinvError, UsageError
from hfinv.image import written_aside

# What players assume of a video without a tag depends on its size: so convert to Rec. 709, and say so.
_REC709 = (
    "-vf scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int "
    "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv "
)
_ONE_PALETTE_A_FRAME = (
    "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1:dither=sierra2_4a"
)
_SAME_BYTES = " -fflags +bitexact -flags:v +bitexact -map_metadata -1 -threads 1"
_ENCODINGS = {  # suffix: codec, pixel format, ffmpeg's other parameters
    ".mp4": ("libx264", "yuv420p", _REC709 + "-crf 17 -preset medium -movflags +faststart"),
    ".webm": ("libvpx-vp9", "yuv420p", _REC709 + "-crf 24 -b:v 0 -deadline good -cpu-used 4"),
    ".gif": ("gif", "pal8", "-filter_complex " + _ONE_PALETTE_A_FRAME),
}


def write_video(path: str | os.PathLike[str], frames: Iterable[np.ndarray], fps: int) -> Path:
    """Encode frames as they come; the same frames give the same bytes.

    H.264 in yuv420p (.mp4), VP9 (.webm) or GIF. Odd sides grow by one repeated row or column, for
    yuv420p halves them.

    Args:
        frames: uint8 [H, W, 3] each, all of one size; at least one.
        fps: frames a second.

    Returns:
        The path.

    Raises:
        UsageError: no such kind of video.
        HfinvError: ffmpeg failed, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in _ENCODINGS:
        raise UsageError(
            f"`{path.name}` is no video that hfinv writes", f"end it in {', '.join(_ENCODINGS)}"
        )
    codec, pixel_format, parameters = _ENCODINGS[path.suffix.lower()]
    count = 0
    with written_aside(path) as aside:
        aside.touch()  # asks the folder, whose refusal says more than ffmpeg's
        with _as_a_sentence(path):
            # the plugin knows no .gif, ffmpeg does: it goes by the name, the plugin by the extension
            film = imageio.imopen(aside, "w", plugin="FFMPEG", extension=".mp4", legacy_mode=True)
            writer = film.legacy_get_writer(
                fps=fps,
                codec=codec,
                pixelformat=pixel_format,
                macro_block_size=1,
                output_params=(parameters + _SAME_BYTES).split(),
                ffmpeg_log_level="quiet",
            )
        try:
            for count, frame in enumerate(frames, start=1):
                with _as_a_sentence(path):
                    writer.append_data(_even(frame))
        finally:
            writer.close()
        if not count:
            raise ValueError("a video needs at least one frame")
        with _as_a_sentence(path):
            # imageio does not look at how ffmpeg ended: a full disk shows only in what was written
            if imageio_ffmpeg.count_frames_and_secs(aside)[0] != count:
                raise RuntimeError("frames are missing")
    return path


@contextmanager
def _as_a_sentence(path: Path) -> Iterator[None]:
    """Tell of ffmpeg's failures, which imageio raises as several kinds of error with pages of text."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if shutil.disk_usage(path.parent).free < 2**20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise HfinvError(
            f"ffmpeg could not write `{path}`",
            "try another ending (.gif, .webm), or pip install -U imageio-ffmpeg",
        ) from error


def _even(frame: np.ndarray) -> np.ndarray:
    return np.pad(frame, ((0, len(frame) % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
