"""From a photo to a head in one call: whole, resumed, and re-made only where a setting changed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TOY

import hfinv
from hfinv.config import InvertConfig
from hfinv.errors import HfinvError, PhotoError, UsageError
from hfinv.generators.checkpoint import save
from hfinv.geometry import ShapeConfig
from hfinv.latent import LatentConfig
from hfinv.progress import Stage, Step, Warned
from hfinv.pseudoview import PseudoViewConfig
from hfinv.pseudoview.occluded import OccludedConfig
from hfinv.pseudoview.views import ViewsConfig
from hfinv.symmetry import SymmetryConfig
from hfinv.symmetry.neighbours import NeighbourConfig
from hfinv.symmetry.settings import DistanceConfig, NeighbourTermConfig, RegionConfig
from hfinv.symmetry.weights import YawConfig
from hfinv.training import TrainConfig, begin
from hfinv.tuning import TuningConfig

STAGES = ("intake", "latent", "early", "symmetry", "pseudoview", "tuning")
PHOTO = Path(__file__).parent.parent / "examples" / "faces" / "f1.jpg"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> InvertConfig:
    """A few steps with a small untrained generator."""
    generator = begin(TrainConfig(network=TOY)).generator
    generator.mapping.measure(64)
    path = tmp_path_factory.mktemp("weights") / "toy.safetensors"
    save(generator, path)
    return InvertConfig(
        report=False,
        generator=str(path),
        # The mean, since the bundled encoder's guess means nothing to a generator that it does not know.
        latent=LatentConfig(start="mean", camera_steps=1, w_steps=2, w_plus_steps=2),
        early=TuningConfig(steps=2, keep_cameras=4, keep_size=8),
        symmetry=SymmetryConfig(
            use=True,
            rays=16,
            yaw=YawConfig(rule="step", threshold=0.0),
            neighbours=NeighbourConfig(count=1),
            warp=NeighbourTermConfig(every=1),
            regions=RegionConfig(every=1, compare="lpips", least=0.0),
            distance=DistanceConfig(every=1, cameras=2),
        ),
        pseudoview=PseudoViewConfig(
            use=True,
            views=ViewsConfig(yaws=(0.4,), outlines=2),
            shape=ShapeConfig(mesh=False, rays=16),
            occluded=OccludedConfig(steps=2),
        ),
        tuning=TuningConfig(steps=3, keep_cameras=4, keep_size=8),
    )


@pytest.fixture(scope="module")
def whole(config: InvertConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "run"
    hfinv.invert(PHOTO, path, config, device="cpu")
    return path


def outputs(run: Path) -> dict[str, bytes]:
    """Every file but the one that tells times."""
    files = sorted(p for p in run.rglob("*") if p.is_file() and p.name not in ("run.json", ".lock"))
    return {str(p.relative_to(run)): p.read_bytes() for p in files}


def states(heard: list[Stage | Step]) -> list[tuple[str, str]]:
    return [(r.name, r.state) for r in heard if isinstance(r, Stage) and r.state != "begun"]


def test_a_run_holds_its_stages_and_pictures_for_people(whole: Path) -> None:
    names = outputs(whole)
    for wanted in (
        "settings.toml",
        "metrics.jsonl",
        "intake/overlay.png",
        "latent/fit.png",
        "early/fit.png",
        "symmetry/mirror.png",
        "symmetry/neighbours.png",
        "pseudoview/views.png",
        "pseudoview/known.png",
        "tuning/fit.png",
    ):
        assert wanted in names
    assert not [name for name in names if name.endswith((".pkl", ".pt", ".pickle"))]


def test_the_same_call_again_keeps_every_stage_and_changes_no_byte(
    whole: Path, config: InvertConfig
) -> None:
    before, heard = outputs(whole), []
    hfinv.invert(PHOTO, whole, config, device="cpu", progress=heard.append)
    assert states(heard) == [(name, "kept") for name in STAGES]
    assert outputs(whole) == before


def test_a_reopened_head_draws_the_last_fit_of_the_tuning_bit_for_bit(whole: Path) -> None:
    from hfinv.run import Run
    from hfinv.tuning import Tuned

    head = hfinv.open_head(whole, "cpu")
    drawn = head.generator.render(head.planes, head.w_plus, head.camera, background=0.0)
    kept = Run.open(whole).load("tuning", Tuned).fit
    assert torch.equal(drawn.image.clamp(-1, 1), kept)
    assert head.render(yaw=30).pixels.shape == (64, 64, 3)


def test_a_changed_tuning_keeps_what_stands_before_it(
    whole: Path, config: InvertConfig, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    heard: list[Stage | Step] = []
    changed = replace(config, tuning=replace(config.tuning, steps=2))
    hfinv.invert(PHOTO, tmp_path / "run", changed, device="cpu", progress=heard.append)
    assert states(heard) == [*((name, "kept") for name in STAGES[:-1]), ("tuning", "made")]


@pytest.mark.parametrize("stage", ["latent", "early", "pseudoview", "tuning"])
def test_a_run_cut_off_in_a_stage_ends_as_the_uninterrupted_one(
    stage: str, whole: Path, config: InvertConfig, tmp_path: Path
) -> None:
    def cut(record: Stage | Step) -> None:
        if isinstance(record, Step) and record.stage == stage and record.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hfinv.invert(PHOTO, tmp_path / "run", config, device="cpu", progress=cut)
    with pytest.raises(HfinvError, match="no finished `tuning`"):
        hfinv.open_head(tmp_path / "run", "cpu")
    hfinv.invert(PHOTO, tmp_path / "run", config, device="cpu")
    assert outputs(tmp_path / "run") == outputs(whole)


def test_another_seed_gives_another_head(whole: Path, config: InvertConfig, tmp_path: Path) -> None:
    here = hfinv.open_head(whole, "cpu")
    there = hfinv.invert(PHOTO, tmp_path / "run", config, device="cpu", seed=1)
    assert not torch.equal(here.w_plus, there.w_plus)


def test_a_picture_of_nothing_is_refused(config: InvertConfig, tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="face"):
        hfinv.invert(np.full((200, 200, 3), 128, np.uint8), tmp_path / "run", config, device="cpu")


def test_opening_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run"):
        hfinv.open_head(tmp_path)


@pytest.mark.parametrize(
    "left_out, wanted",
    [
        ({"pseudoview", "symmetry"}, ["intake", "latent", "tuning"]),
        ({"pseudoview"}, ["intake", "latent", "early", "symmetry", "tuning"]),
        ({"symmetry"}, ["intake", "latent", "early", "pseudoview", "tuning"]),
    ],
)
def test_pseudo_views_and_symmetry_can_be_left_out(
    left_out: set[str], wanted: list[str], config: InvertConfig, tmp_path: Path
) -> None:
    heard: list[Stage | Step] = []
    off = {name: replace(getattr(config, name), use=False) for name in left_out}
    hfinv.invert(
        PHOTO, tmp_path / "run", replace(config, **off), device="cpu", progress=heard.append
    )
    assert [name for name, _ in states(heard)] == wanted
    compared = {name for r in heard if isinstance(r, Step) for name in r.losses}
    assert ("views" in compared) == ("pseudoview" not in left_out)
    symmetry = {"mirror", "warp", "distance"}
    assert compared & symmetry == (symmetry if "symmetry" not in left_out else set())


@pytest.mark.parametrize("restart", [True, False])
def test_the_last_tuning_starts_where_it_was_told_to(
    restart: bool, whole: Path, config: InvertConfig, tmp_path: Path
) -> None:
    from hfinv.run import Run
    from hfinv.tuning import Tuned

    still = replace(
        config,
        pseudoview=replace(config.pseudoview, restart=restart),
        tuning=replace(config.tuning, steps=0),
    )
    hfinv.invert(PHOTO, tmp_path / "run", still, device="cpu")
    run = Run.open(tmp_path / "run")
    early, last = (run.load(name, Tuned).weights for name in ("early", "tuning"))
    assert early["offset"].abs().sum() > 0
    assert torch.equal(early["offset"], last["offset"]) is not restart


def test_a_run_ends_with_its_report_which_the_same_call_keeps(
    whole: Path, config: InvertConfig, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    heard: list[Stage | Step] = []
    told = replace(config, report=True)
    hfinv.invert(PHOTO, tmp_path / "run", told, device="cpu", progress=heard.append)
    assert states(heard)[-1] == ("report", "made")
    before = outputs(tmp_path / "run")
    assert b"<h1>f1.jpg" in before["report.html"] and "intake/photo.jpg" in before
    hfinv.invert(PHOTO, tmp_path / "run", told, device="cpu", progress=heard.append)
    assert states(heard)[-1] == ("report", "kept") and outputs(tmp_path / "run") == before


def test_a_report_that_fails_costs_no_head(
    whole: Path, config: InvertConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: object, **more: object) -> None:
        raise MemoryError("no room")

    shutil.copytree(whole, tmp_path / "run")
    monkeypatch.setattr("hfinv.report.gather", fail)
    heard: list[Stage | Step | Warned] = []
    told = replace(config, report=True)
    head = hfinv.invert(PHOTO, tmp_path / "run", told, device="cpu", progress=heard.append)
    assert [r for r in heard if isinstance(r, Warned)] and head.render().pixels.shape == (64, 64, 3)
