"""Directions of attributes whose truth is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from directions_examples import TintedBall, true_direction

from hfinv import directions_cli
from hfinv.camera import Camera, look_at
from hfinv.directions import COUNTS, Wanted, direction_from, photos, train_direction
from hfinv.directions.boundary import extremes, separate
from hfinv.directions.scorers import SCORERS, scores
from hfinv.directions.space import space_of
from hfinv.errors import HfinvError, UsageError
from hfinv.generators.draws import latents
from hfinv.intake.head import head_model, to_world

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def ball() -> TintedBall:
    return TintedBall()


@pytest.fixture(scope="module")
def found(ball):
    return direction_from(ball, Wanted("bright", "brightness", samples=600, keep=100))


def test_the_direction_is_the_known_one(found) -> None:
    assert F.cosine_similarity(found.vector, true_direction(), 0) > 0.97


def test_one_is_one_standard_deviation_of_the_attribute(ball, found) -> None:
    _, w = latents(ball, 400, torch.Generator().manual_seed(5))
    before, after = (scores(ball, x, ("brightness",))["brightness"] for x in (w, w + found.vector))
    assert np.mean(after - before) == pytest.approx(np.std(before), rel=0.1)


def test_the_read_out_tells_what_was_trained(ball, found) -> None:
    _, w = latents(ball, 400, torch.Generator().manual_seed(6))
    score = scores(ball, w, ("brightness",))["brightness"]
    assert np.corrcoef((w @ found.normal).numpy(), score)[0, 1] > 0.95
    assert (w @ found.normal).std() == pytest.approx(1, abs=0.1)


def test_the_report_says_how_well_it_went(found) -> None:
    report = found.report
    assert report["kept"] == [100, 100] and report["held_out"] == 60
    assert report["accuracy"] > 0.95
    assert report["correlations"]["score brightness (its own)"] > 0.95
    assert found.warnings == []


def test_correlations_name_what_goes_along() -> None:
    ball = TintedBall(tuple(f"factor_{k}" for k in range(8)))
    report = direction_from(ball, Wanted("bright", "brightness", samples=400, keep=80)).report
    # Red counts 0.299 * 0.2, green 0.587 * 0.1, blue 0.114 * 0.1, by luma and by spread.
    shares = torch.tensor([0.299 * 0.2, 0.587 * 0.1, 0.114 * 0.1])
    expected = (shares / shares.norm()).tolist()
    measured = [report["correlations"][f"factor_{k}"] for k in range(3)]
    assert measured == pytest.approx(expected, abs=0.15)
    assert abs(report["correlations"]["factor_3"]) < 0.25


def test_the_same_seed_gives_the_same_direction(ball) -> None:
    wanted = Wanted("bright", "brightness", samples=80, keep=20)
    first, again = (direction_from(ball, wanted, seed=3).vector for _ in range(2))
    assert torch.equal(first, again)


def test_a_boundary_in_whitened_space_finds_a_direction_that_hardly_varies() -> None:
    """Plain normals lean to what varies little; read back through the spread they are the regression's."""
    ball = TintedBall()
    space = space_of(ball)
    _, w = latents(ball, 3000, torch.Generator().manual_seed(1))
    score = (w @ torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0])).numpy()
    few, many = extremes(score, 300)
    inside = space.inside(w).double().numpy()
    unit = torch.from_numpy(separate(inside[few], inside[many], 0).unit).float()
    truth = ball.squeeze.square() * torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0])
    assert F.cosine_similarity(space.direction(unit), truth, 0) > 0.97


def test_the_space_is_of_unit_variance_and_maps_back(ball) -> None:
    space = space_of(ball)
    _, w = latents(ball, 4000, torch.Generator().manual_seed(2))
    inside = space.inside(w)
    assert torch.allclose(inside.std(0), torch.ones(inside.shape[1]), atol=0.06)
    unit = F.normalize(
        torch.randn(inside.shape[1], generator=torch.Generator().manual_seed(0)), dim=0
    )
    assert float(space.direction(unit) @ space.normal(unit)) == pytest.approx(1, abs=1e-4)


def test_extremes_leave_out_what_has_no_score() -> None:
    score = np.array([np.nan, 3.0, 1.0, 2.0, 8.0, 7.0, 6.0, 5.0, np.nan, 4.0])
    low, high = extremes(score, 4)
    assert set(low) == {2, 3, 1, 9} and set(high) == {4, 5, 6, 7}
    with pytest.raises(HfinvError, match="score"):
        extremes(np.full(10, np.nan), 4)
    with pytest.raises(HfinvError, match="do not differ"):
        extremes(np.ones(10), 4)


def test_a_gpu_gets_the_counts_of_the_paper() -> None:
    assert COUNTS["cuda"] == (500_000, 10_000)


def test_folders_of_photos_become_latents(ball, monkeypatch, tmp_path: Path) -> None:
    """The inversion is `hfinv.latent`'s; here each photo's w is what its name says."""

    def inverted(generator, folder, seed=0, progress=None):
        rng = torch.Generator().manual_seed(len(folder.name))
        w = torch.randn(40, 8, generator=rng) * ball.squeeze
        return w + (1 if folder.name == "yes" else -1) * true_direction(), []

    monkeypatch.setattr("hfinv.directions.latents_of", inverted)
    wanted = Wanted("bright", positive=tmp_path / "yes", negative=tmp_path / "not_it")
    found = direction_from(ball, wanted)
    assert F.cosine_similarity(found.vector, true_direction(), 0) > 0.8
    assert found.report["slope"] is None


def test_folders_without_photos_say_so(ball, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        photos.latents_of(ball, tmp_path / "none")
    with pytest.raises(UsageError, match="no photos"):
        photos.latents_of(ball, tmp_path)


def test_landmark_scores_grow_with_what_they_are_called() -> None:
    """A plain face of a few points: what is moved is what is measured."""
    points = np.zeros((468, 2))
    points[[33, 133, 263, 362]] = [(0.3, 0.4), (0.42, 0.4), (0.7, 0.4), (0.58, 0.4)]
    points[[159, 145, 386, 374]] = [(0.36, 0.39), (0.36, 0.41), (0.64, 0.39), (0.64, 0.41)]
    points[[61, 291, 13, 14]] = [(0.4, 0.7), (0.6, 0.7), (0.5, 0.69), (0.5, 0.71)]
    moved = {
        "smile": {61: (-0.02, -0.02), 291: (0.02, -0.02)},
        "mouth-open": {14: (0.0, 0.05)},
        "eyes-open": {159: (0.0, -0.01), 386: (0.0, -0.01)},
    }
    for name, steps in moved.items():
        after = points.copy()
        for index, step in steps.items():
            after[index] += step
        measure = SCORERS[name].landmarks
        assert measure(after) > measure(points) + 0.01
        assert measure(3 * after) == pytest.approx(measure(after))  # size does not count


@pytest.mark.parametrize("turned", [-25.0, 0.0, 15.0])
def test_the_yaw_of_a_neutral_head_is_its_camera_s(turned: float) -> None:
    camera = look_at(math.radians(turned))
    exact = Camera(camera.cam2world.double(), camera.intrinsics.double())
    points = exact.project(to_world(head_model().neutral)[None])[0][0].numpy()
    assert SCORERS["yaw"].landmarks(points) == pytest.approx(turned, abs=0.05)


def test_the_command_line_offers_all_scorers() -> None:
    assert set(directions_cli.SCORERS) == set(SCORERS)


@pytest.mark.slow
def test_brightness_of_the_bundled_generator_goes_with_light_and_skin(tmp_path: Path) -> None:
    wanted = Wanted("bright", "brightness", samples=300, keep=60)
    _, trained, _ = train_direction("heads", wanted, tmp_path)
    along = {name: abs(r) for name, r in trained.report["correlations"].items()}
    strongest = [name for name in along if not name.startswith("score")][:3]
    assert {"light_level", "skin_00"} & set(strongest)
    assert trained.report["accuracy"] > 0.8
