"""What a training run shows of itself: losses in a file, curves, sheets of pictures, TensorBoard."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hfinv.camera import look_at
from hfinv.errors import UsageError
from hfinv.generators.heads import Heads
from hfinv.image import contact_sheet, save_png, to_bytes, written_aside

SHEET_HEADS = 4
"""Heads on a sheet, always the same."""
SHEET_VIEWS = 6
"""Views of each, around the head."""
FLUSH = 20
"""Steps between writes of the losses to the disk."""
SMOOTH = 50
"""Steps that a curve averages over."""


class Report:
    """Writes `metrics.jsonl`, `curves.png`, `sheets/*.png` and, if asked, TensorBoard's files; a context."""

    def __init__(self, out: Path, step: int, minutes: float, tensorboard: bool) -> None:
        """
        Args:
            out: the run's directory.
            step: the run goes on from here; losses of later steps, of a run that was cut off, are dropped.
            minutes: after so many the run is late; 0 for never.
            tensorboard: also write for TensorBoard.

        Raises:
            UsageError: TensorBoard is not installed.
        """
        self.out, self.begun, self.minutes = out, time.monotonic(), minutes
        out.mkdir(parents=True, exist_ok=True)
        self.path = out / "metrics.jsonl"
        self.records = [r for r in read_metrics(self.path) if r["step"] <= step]
        self.path.write_text("".join(json.dumps(r) + "\n" for r in self.records))
        self.log = open(self.path, "a")
        self.writer = board(out) if tensorboard else None

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.log.close()
        if self.writer is not None:
            self.writer.close()

    @property
    def late(self) -> bool:
        """Whether the time is used up."""
        return bool(self.minutes) and time.monotonic() - self.begun > 60 * self.minutes

    def losses(self, step: int, terms: dict[str, Tensor]) -> dict[str, float]:
        """Write down a step's losses; returns them as numbers."""
        numbers = dict(zip(terms, torch.stack([t.float() for t in terms.values()]).tolist()))
        numbers = {name: round(value, 5) for name, value in numbers.items()}
        self.records.append({"step": step, **numbers})
        self.log.write(json.dumps(self.records[-1]) + "\n")
        if step % FLUSH == 0:
            self.log.flush()
        if self.writer is not None:
            for name, value in numbers.items():
                self.writer.add_scalar(f"loss/{name}", value, step)
        return numbers

    def sheet(self, generator: Heads, step: int) -> Path:
        """Write a sheet of the same heads as ever; returns its path."""
        pixels = sheet(generator, SHEET_HEADS, SHEET_VIEWS)
        if self.writer is not None:
            self.writer.add_image("sheet", pixels, step, dataformats="HWC")
        return save_png(self.out / "sheets" / f"sheet_{step:07d}.png", pixels)

    def curves(self) -> Path | None:
        """Draw the losses as `curves.png`; None where matplotlib is not installed or nothing is known yet."""
        self.log.flush()
        if not self.records or importlib.util.find_spec("matplotlib") is None:
            return None
        return draw_curves(self.records, self.out / "curves.png")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The records of a `metrics.jsonl`, each `step` and losses; a line that was cut off is left out."""
    records = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue  # the run was killed while writing it
    return records


def draw_curves(records: list[dict[str, float]], path: Path) -> Path:
    """One smoothed curve a loss, over steps, on a logarithmic scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = sorted({name for record in records for name in record if name != "step"})
    for name in names:
        points = np.array([(r["step"], r[name]) for r in records if name in r])
        window = min(SMOOTH, 1 + len(points) // 5)
        kernel = np.full(window, 1 / window)
        steps, values = (np.convolve(column, kernel, "valid") for column in points.T)
        axes.plot(steps, np.maximum(values, 1e-5), label=name)
    axes.set(xlabel="step", ylabel="loss, weighted", yscale="log")
    axes.legend(ncols=2)
    with written_aside(path) as aside:
        figure.savefig(aside, dpi=100)
    return path


@torch.no_grad()
def sheet(generator: Heads, heads: int, views: int, seed: int = 0) -> np.ndarray:
    """Random heads, a row each, from all sides that the generator knows: uint8 [rows, columns, 3].

    Args:
        generator: any; left as it is.
        heads: rows.
        views: columns; the first one is from the front.
        seed: of the heads' z.
    """
    width = generator.mapping.z_dim
    z = torch.randn(heads, width, generator=torch.Generator().manual_seed(seed))
    card, device = generator.card, generator.shared.device
    around = card.yaw_range >= torch.pi
    yaws = torch.arange(views) * (2 * torch.pi / views)
    if not around:
        yaws = torch.linspace(-card.yaw_range, card.yaw_range, views)
    cameras = look_at(yaws, 0.1 if around else 0.0, card.radius, card.pivot, card.focal).to(device)
    pictures = []
    for one in z:
        w_plus = generator.map(one[None].to(device))
        planes = generator.planes(w_plus)
        for view in range(views):
            drawn = generator.render(planes, w_plus, cameras[view])
            pictures.append(to_bytes(drawn.image.float()))
    return contact_sheet(pictures, views)


def board(out: Path) -> Any:
    """TensorBoard's writer.

    Raises:
        UsageError: it is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "TensorBoard is not installed",
            'run `pip install "hfinv[tensorboard]"`, or leave `loop.tensorboard` out',
        ) from error
    return SummaryWriter(str(out / "tensorboard"))
