"""Samples of a prior: the official scripts' seeds, and pictures of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "generators"))
from official_examples import thin, thin_file  # noqa: E402

from hfinv import samples
from hfinv.camera import look_at
from hfinv.cli import main
from hfinv.errors import UsageError
from hfinv.image import to_bytes


def run(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", [3]),
        ("0-5,9", [0, 1, 2, 3, 4, 5, 9]),
        ("9, 2-3", [9, 2, 3]),
        ("4294967295", [2**32 - 1]),
        ("1,1", [1, 1]),
    ],
)
def test_seeds_are_read_as_in_the_official_scripts(text: str, expected: list[int]) -> None:
    assert samples.parse_seeds(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "5-1", "0-99999999", "4294967296", "1;2"])
def test_what_is_no_list_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        samples.parse_seeds(text)


def test_the_latent_of_a_seed_is_numpys_so_heads_match_the_official_scripts() -> None:
    found = samples.latent_of(7, 512)
    expected = np.random.RandomState(7).randn(1, 512).astype(np.float32)
    assert np.array_equal(found.numpy(), expected)
    assert found[0, 0].item() == pytest.approx(1.6905257, abs=1e-6)  # RandomState(7)'s first normal


def test_a_sample_is_the_mapped_latent_before_the_frontal_label() -> None:
    made, _ = thin("eg3d")
    found = samples.draw(made, 3, 0.7)
    z = samples.latent_of(3, 64)
    assert torch.equal(found.w_plus, made.mapping(z, look_at(0.0).label(), 0.7))
    assert torch.equal(found.planes, made.planes(found.w_plus))


def test_each_seed_gives_its_picture_and_all_a_sheet(tmp_path: Path) -> None:
    file = thin_file("panohead", tmp_path / "p.pkl")
    words = ("sample", "--generator", file, "--device", "cpu", "--out", tmp_path / "out")
    told = run(*words, "--seeds", "0-1,9", "--trunc", "0.7").stdout.splitlines()
    assert [Path(line).name for line in told] == [
        "seed0000.png",
        "seed0001.png",
        "seed0009.png",
        "sheet.png",
    ]
    made, _ = thin("panohead")
    w_plus = made.map(samples.latent_of(9, 64), 0.7)
    expected = made.render(
        made.planes(w_plus), w_plus, look_at(0.0, pivot=(0, 0, 0)), background=None
    )
    found = np.asarray(Image.open(tmp_path / "out" / "seed0009.png"))
    assert np.abs(found.astype(int) - to_bytes(expected.image)).max() <= 1


def test_views_stand_side_by_side_and_an_official_face_from_behind_is_called_guessed(
    tmp_path: Path,
) -> None:
    file = thin_file("eg3d", tmp_path / "e.pkl")
    words = ("sample", "--generator", file, "--device", "cpu", "--out", tmp_path / "out")
    found = run(*words, "--seeds", "1", "--yaw", "-90", "--yaw", "0", "--max-memory", "0.1")
    assert "up to 60 degrees" in found.stderr and "guessed" in found.stderr
    assert Image.open(tmp_path / "out" / "seed0001.png").size == (256, 128)
    quiet = run(*words, "--seeds", "1", "--yaw", "30", "--size", "64")
    assert "guessed" not in quiet.stderr


def test_half_precision_needs_a_gpu(tmp_path: Path) -> None:
    file = thin_file("eg3d", tmp_path / "e.pkl")
    said = run("sample", "--generator", file, "--device", "cpu", "--half", code=2).stderr
    assert "GPU" in said


def test_a_turntable_of_a_sample_is_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "RenderConfig", lambda **k: samples_config(seconds=0.1, **k))
    made, _ = thin("eg3d")
    files = samples.save_samples(made, [2], tmp_path, orbit=40.0, size=32)
    assert [f.name for f in files] == ["seed0002.mp4"] and files[0].stat().st_size > 500


samples_config = samples.RenderConfig
