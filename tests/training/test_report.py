"""A run's files hold what happened, once each step, also after it was cut off."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TOY

from hfinv.errors import UsageError
from hfinv.generators.heads import Heads
from hfinv.training import card
from hfinv.training.report import Report, read_metrics, sheet


def test_losses_of_steps_that_were_lost_are_dropped(tmp_path: Path) -> None:
    with Report(tmp_path, 0, 0.0, False) as report:
        for step in range(1, 6):
            report.losses(step, {"colour": torch.tensor(step / 8)})
    with open(tmp_path / "metrics.jsonl", "a") as log:
        log.write('{"step": 6, "col')  # killed here
    with Report(tmp_path, 3, 0.0, False) as report:
        report.losses(4, {"colour": torch.tensor(0.5)})
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert [(r["step"], r["colour"]) for r in records] == [
        (1, 0.125),
        (2, 0.25),
        (3, 0.375),
        (4, 0.5),
    ]


def test_curves_are_drawn_where_matplotlib_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with Report(tmp_path, 0, 0.0, False) as report:
        assert report.curves() is None
        for step in range(1, 100):
            report.losses(step, {"colour": torch.tensor(1 / step), "lpips": torch.tensor(0.3)})
        path = report.curves()
    assert path.stat().st_size > 5000


def test_a_sheet_shows_the_same_heads_from_different_sides() -> None:
    torch.manual_seed(0)
    generator = Heads(card(TOY)).requires_grad_(False)
    once, again = sheet(generator, 2, 3), sheet(generator, 2, 3)
    assert once.shape == (2 * 64, 3 * 64, 3) and np.array_equal(once, again)
    assert not np.array_equal(once[:64, :64], once[:64, 64:128])
    assert not np.array_equal(once[:64, :64], once[64:, :64])


def test_tensorboard_gets_the_same_losses_or_a_hint_is_given(tmp_path: Path) -> None:
    try:
        from torch.utils.tensorboard import SummaryWriter

        assert SummaryWriter
    except ImportError:
        with pytest.raises(UsageError, match="TensorBoard") as caught:
            Report(tmp_path, 0, 0.0, True)
        assert "hfinv[tensorboard]" in caught.value.hint
        return
    with Report(tmp_path, 0, 0.0, True) as report:
        report.losses(1, {"colour": torch.tensor(0.5)})
    assert list((tmp_path / "tensorboard").iterdir())
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 1, "colour": 0.5}
