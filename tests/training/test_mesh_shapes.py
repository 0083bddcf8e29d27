"""The fields and their weights say how the labelled mesh moves."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TOY

from hfinv.generators.triplane import sample_planes
from hfinv.generators.warp import Warp, displacement, origins_of
from hfinv.progress import Step
from hfinv.training import TrainConfig, begin
from hfinv.training.factors import FACTORS, INDEX, Named
from hfinv.training.loop import LoopConfig, run_loop
from hfinv.training.morph import base, morph, to_world
from hfinv.training.objective import ObjectiveConfig
from hfinv.training.shapes import (
    ORDER,
    count,
    fine,
    fit,
    fit_warp,
    mean_head,
    moves,
    reading,
    shown,
    weights,
)

SIZE = 24


@pytest.fixture(scope="module")
def fields() -> torch.Tensor:
    return fit(SIZE, 1.0)


def heads(number: int = 12, **factors: float) -> np.ndarray:
    z = np.random.default_rng(7).standard_normal((number, len(FACTORS))).astype(np.float32)
    for name, value in factors.items():
        z[:, INDEX[name]] = value
    return z


def mesh(z: np.ndarray) -> np.ndarray:
    return np.stack([to_world(morph(Named(one))) for one in z])


def test_weights_and_moves_give_the_mesh() -> None:
    z = heads()
    built = mean_head()[0] + np.tensordot(weights(z), moves(), 1)
    assert np.abs(built - mesh(z)).max() < 3e-5  # `morph` leaves out weights below 1e-4
    assert (weights(np.zeros((1, len(FACTORS)))) == 0).all()


def test_reading_is_what_sampling_reads() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.55, 0.55, (200, 3)).astype(np.float32)
    planes = rng.standard_normal((4, SIZE, SIZE)).astype(np.float32)
    read = reading(points, SIZE, 1.0) @ planes.reshape(-1)
    sampled = sample_planes(
        torch.from_numpy(planes)[None, :, None], torch.from_numpy(points)[None], 1.0, ORDER
    ).mean(1)
    assert np.abs(read - 3 * sampled[0, :, 0].numpy()).max() < 1e-4


def left_over(fields: torch.Tensor, z: np.ndarray) -> tuple[float, float]:
    """Mean distance of the mesh's vertices from those of the mean head, before and after they were taken back."""
    warp = Warp(count(), SIZE, 4)
    warp.fields.copy_(fields)
    mean = mean_head()[0]
    inside = (np.abs(mean) < 0.5).all(1)
    there = torch.from_numpy(mesh(z)[:, inside])
    away = origins_of(
        warp(torch.from_numpy(weights(z))[:, None], 64), there, 1.0, ORDER
    ) - torch.from_numpy(mean[inside])
    before = there - torch.from_numpy(mean[inside])
    return before.norm(dim=-1).mean().item(), away.norm(dim=-1).mean().item()


def test_random_heads_are_taken_to_the_mean_one(fields: torch.Tensor) -> None:
    before, after = left_over(fields, heads())
    assert after < 0.2 * before


def test_an_open_mouth_is_taken_to_a_closed_one(fields: torch.Tensor) -> None:
    calm, opened = np.zeros((1, len(FACTORS))), np.zeros((1, len(FACTORS)))
    opened[0, INDEX["jaw_open"]] = 2.5
    assert (mesh(opened) != mesh(calm)).any()
    before, after = left_over(fields, opened)
    assert after < 0.5 * before


def test_lids_shut_with_fine_fields_and_only_half_with_smooth_ones(fields: torch.Tensor) -> None:
    shut = np.zeros((1, len(FACTORS)), np.float32)
    shut[0, INDEX["blink"]] = 2.0
    mean, normals = mean_head()
    wanted = mesh(shut)[0] - mean
    moving = np.flatnonzero(shown(mean, normals) & (wanted[: base().body, 1] < -0.015))
    assert len(moving) > 10  # an upper lid's edge
    left: list[float] = []
    for chosen in ([], fine()):
        warp = Warp(count(), SIZE, 4, chosen, 64)
        if chosen:
            fit_warp(warp, 1.0)
        else:
            warp.fields.copy_(fields)
        planes = warp(torch.from_numpy(weights(shut))[:, None], 128)
        points = torch.from_numpy(mean[moving]).float()[None]
        found = displacement(planes, points, 1.0, ORDER)[0].numpy()
        left.append(np.abs(found - wanted[moving])[:, 1].mean() / np.abs(wanted[moving, 1]).mean())
    assert left[0] > 0.4 and left[1] < 0.15


def test_the_insides_of_lids_and_lips_are_not_shown() -> None:
    vertices, normals = mean_head()
    seen = shown(vertices, normals)
    skin = vertices[: base().body]
    forehead = (skin[:, 2] > 0.1) & (skin[:, 1] > 0.12) & (np.abs(skin[:, 0]) < 0.05)
    assert seen[forehead].all()
    eyeball = vertices[base().eyes[0]]
    near = (np.abs(skin - eyeball.mean(0)) < 0.03).all(1) & (skin[:, 2] < 0.15)
    assert near.any() and not seen[near].any()  # the socket


class NoHeads:
    """Lessons of shapes need none."""

    def __len__(self) -> int:
        return 0

    def refresh(self) -> None:
        """Nothing to find."""


def test_a_lesson_of_shapes_teaches_the_weights_and_nothing_else(tmp_path: Path) -> None:
    loop = LoopConfig(0, 0, 0, 0, shape_steps=150, sheet_every=0, save_every=1000, half=False)
    state = begin(TrainConfig(network=replace(TOY, warp=8), loop=loop))
    before = copy.deepcopy(state.generator.state_dict())
    losses: list[float] = []

    def hear(step: Step) -> None:
        losses.append(step.losses["shape"])

    run_loop(state, NoHeads(), tmp_path, loop, ObjectiveConfig(), hear)
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:5])
    changed = {k for k, v in state.generator.state_dict().items() if not torch.equal(v, before[k])}
    assert {".".join(name.split(".")[:2]) for name in changed} == {
        "mapping.shape",
        "mapping.traits",
    }
