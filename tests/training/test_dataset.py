"""Synthetic heads are photographed repeatably, resumed, and read back as they were written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hfinv.training.dataset import (
    REACH,
    DatasetConfig,
    HeadFolder,
    make_dataset,
    make_head,
    random_cameras,
)
from hfinv.training.factors import EXPRESSION, INDEX

SMALL = DatasetConfig(heads=2, views=3, size=32, distance_size=16, supersample=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heads")
    make_dataset(path, SMALL)
    return path


def test_a_head_is_the_same_whenever_it_is_made(folder: Path) -> None:
    with np.load(folder / "head_00001.npz") as stored:
        again = make_head(1, SMALL)
        assert all(np.array_equal(stored[name], again[name]) for name in stored.files)


def test_heads_that_are_there_are_kept_and_parts_share_the_work(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "head_00000.npz").write_bytes(b"mine")
    make_dataset(tmp_path, SMALL, part=(0, 2))
    assert (tmp_path / "head_00000.npz").read_bytes() == b"mine"
    assert not (tmp_path / "head_00001.npz").exists()
    make_dataset(tmp_path, SMALL, part=(1, 2))
    assert (tmp_path / "head_00001.npz").read_bytes() == (folder / "head_00001.npz").read_bytes()


def test_a_batch_has_premultiplied_colour_and_no_head_where_there_is_no_cover(folder: Path) -> None:
    batch = HeadFolder(folder).batch([0, 1])
    assert batch.image.shape == (2, 3, 3, 32, 32) and len(batch.camera) == 6
    assert (batch.image.abs() <= batch.alpha + 1e-6).all()
    assert (batch.image[(batch.alpha == 0).expand_as(batch.image)] == 0).all()
    assert 0.1 < batch.alpha.mean() < 0.9


def test_distances_and_colours_show_the_same_head(folder: Path) -> None:
    batch = HeadFolder(folder).batch([0])
    covered = torch.nn.functional.avg_pool2d(batch.alpha[0], 2)[:, 0]
    seen = batch.distance[0] > 0
    wrong = (~seen & (covered == 1)) | (seen & (covered == 0))
    assert wrong.float().mean() < 2e-3  # a strand is thinner than the space between two rays
    assert 2.0 < batch.distance[0][seen].min() and batch.distance[0].max() < 3.4


def test_chosen_views_are_views_of_the_head(folder: Path) -> None:
    heads = HeadFolder(folder)
    all_views = heads.batch([1]).camera.label()
    some = heads.batch([1], 2, np.random.default_rng(0)).camera.label()
    assert len(some) == 2
    assert all(any(torch.equal(label, known) for known in all_views) for label in some)


def test_cameras_stand_all_around_and_more_often_in_front() -> None:
    yaw = torch.cat([random_cameras(np.random.default_rng(i), 6).angles()[0] for i in range(200)])
    shares = torch.histc(yaw, 8, -torch.pi, torch.pi) / len(yaw)
    assert shares.min() > 0.05
    assert shares[3:5].sum() > 1.5 * shares[[0, 7]].sum()


def test_an_expressive_head_is_the_same_person_with_another_face() -> None:
    calm, lively = (
        make_head(3, replace(SMALL, views=1, expressive=share))["z"] for share in (0.0, 1.0)
    )
    expression = [INDEX[factor.name] for factor in EXPRESSION]
    others = np.setdiff1d(np.arange(len(calm)), expression)
    assert np.array_equal(calm[others], lively[others])
    assert (calm[expression] != lively[expression]).all()
    assert (np.abs(lively[expression]) <= REACH).all()
