"""Official files through the whole pipeline, and the settings that their cards decide."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent / "generators"))
from official_examples import thin, thin_file  # noqa: E402

import hfinv
from hfinv.adapt import LowResolution, adapted, fitted, placed
from hfinv.camera import look_at
from hfinv.config import InvertConfig
from hfinv.errors import PhotoError, UsageError
from hfinv.generators.checkpoint import read_card
from hfinv.geometry import ShapeConfig
from hfinv.image import read
from hfinv.intake import IntakeConfig, take_in
from hfinv.latent import LatentConfig, Pivot
from hfinv.progress import Stage
from hfinv.pseudoview import PseudoViewConfig
from hfinv.pseudoview.occluded import OccludedConfig
from hfinv.pseudoview.views import ViewsConfig
from hfinv.run import Run
from hfinv.tuning import TuningConfig

PHOTO = Path(__file__).parent.parent / "examples" / "faces" / "f1.jpg"
SHORT = InvertConfig(
    latent=LatentConfig(camera_steps=1, w_steps=1, w_plus_steps=1),
    early=TuningConfig(steps=1, keep_cameras=2, keep_size=8),
    pseudoview=PseudoViewConfig(
        views=ViewsConfig(yaws=(0.4,), outlines=1),
        shape=ShapeConfig(mesh=False, rays=16),
        occluded=OccludedConfig(steps=1),
    ),
    tuning=TuningConfig(steps=1, keep_cameras=2, keep_size=8),
    report=False,
)


def test_backgrounds_are_kept_where_the_generator_draws_them() -> None:
    cards = {name: thin(name)[0].card for name in ("eg3d", "panohead")}
    eg3d, pano = (adapted(InvertConfig(), cards[name]) for name in ("eg3d", "panohead"))
    assert not eg3d.intake.matte and eg3d.intake.framing == "eg3d"
    assert pano.intake.matte and pano.intake.framing == "panohead"
    assert pano.latent.background is None and pano.tuning.background is None
    for card in cards.values():
        plain = adapted(InvertConfig(background="matte"), card)
        assert plain.intake.matte and plain.latent.background == 0.0
    heads = replace(cards["eg3d"], backdrop="plain")
    assert adapted(InvertConfig(), heads).intake.matte
    with pytest.raises(UsageError, match="draws no background"):
        adapted(InvertConfig(background="keep"), heads)


def test_a_generator_that_draws_white_is_compared_with_the_photo_as_it_is() -> None:
    card = replace(thin("eg3d", {"white_back": True})[0].card, framing="none")
    assert card.backdrop == "white"
    config = adapted(InvertConfig(), card)
    assert not config.intake.matte  # the matte knows persons only
    for stage in (config.latent, config.early, config.tuning):
        assert stage.background is None and stage.alpha == 0
    with pytest.raises(UsageError, match="does not show people"):
        adapted(InvertConfig(background="matte"), card)


def test_a_run_finds_its_generator_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin_file("eg3d", tmp_path / "official.pkl")
    monkeypatch.chdir(tmp_path)
    config = replace(SHORT, generator="official.pkl", resolution="low")
    head = hfinv.invert(PHOTO, tmp_path / "run", config, device="cpu")
    monkeypatch.chdir("/")
    assert torch.equal(hfinv.open_head(tmp_path / "run", "cpu").planes, head.planes)


@pytest.mark.parametrize("name", ["eg3d", "panohead"])
@pytest.mark.parametrize("resolution", ["full", "low"])
def test_an_official_file_goes_through_the_whole_pipeline(
    name: str, resolution: str, tmp_path: Path
) -> None:
    file = thin_file(name, tmp_path / "official.pkl")
    config = replace(SHORT, generator=str(file), resolution=resolution, max_memory=0.5)
    head = hfinv.invert(PHOTO, tmp_path / "run", config, device="cpu")
    assert head.render(yaw=20).pixels.shape == (128, 128, 3)
    again = hfinv.open_head(tmp_path / "run", "cpu")
    assert torch.equal(again.planes, head.planes)
    side = 128 if resolution == "full" else 48
    assert Run.open(tmp_path / "run").load("latent", Pivot).fit.shape[-1] == side
    heard: list = []
    other = replace(config, resolution={"full": "low", "low": "full"}[resolution])
    if name == "eg3d" and resolution == "low":  # the other resolution is another fit
        hfinv.invert(PHOTO, tmp_path / "run", other, device="cpu", progress=heard.append)
        assert ("latent", "made") in [(r.name, r.state) for r in heard if isinstance(r, Stage)]
    face_camera = head.camera.centre.norm().item()
    assert face_camera == pytest.approx(2.7, abs=0.2)


def test_the_cameras_offset_is_added_to_the_measured_camera(tmp_path: Path) -> None:
    card = read_card(thin_file("panohead", tmp_path / "p.pkl"))
    face = take_in(read(PHOTO), adapted(InvertConfig(), card).intake)
    moved = placed(face, card).camera.centre - face.camera.centre
    assert moved[0].tolist() == pytest.approx(card.offset, abs=1e-6)


def test_a_panohead_photo_shows_more_above_and_beside_and_its_camera_looks_at_the_origin() -> None:
    near = take_in(read(PHOTO), IntakeConfig())
    wide = take_in(read(PHOTO), IntakeConfig(framing="panohead"))
    # the same photo pixel stands in both crops: a tenth more on top, a twentieth on either side
    corners = torch.tensor([[0.0, 0.0], [512.0, 512.0]])
    a, b = near.crop_from_photo, wide.crop_from_photo
    photo = (corners - a[:, 2]) @ torch.linalg.inv(a[:, :2]).T
    found = (photo @ b[:, :2].T + b[:, 2]) / 512
    expected = [0.05 / 1.1, 0.10 / 1.1, 1.05 / 1.1, 1.0]
    assert found.flatten().tolist() == pytest.approx(expected, abs=1e-3)
    pixel, _ = wide.camera.project(torch.zeros(1, 1, 3))
    assert pixel.flatten().tolist() == pytest.approx([0.5, 0.5], abs=1e-4)
    assert wide.camera.centre.norm().item() == pytest.approx(2.7, abs=1e-4)
    turn = near.camera.cam2world[0, :3, :3].T @ wide.camera.cam2world[0, :3, :3]
    assert (turn.trace().item() - 1) / 2 > np.cos(np.radians(5))


def test_a_cats_photo_is_taken_as_cropped_and_frontal_and_says_so() -> None:
    pixels = np.random.RandomState(0).randint(0, 255, (120, 90, 3), np.uint8)
    face = take_in(pixels, IntakeConfig(framing="frontal", matte=False, size=128))
    assert torch.equal(face.camera.label(), look_at(0.0).label())
    assert "--camera" in face.warnings[0] and len(face.warnings) == 1
    middle = face.photo.mean((2, 3)) - torch.from_numpy(pixels[15:105].mean((0, 1)) / 127.5 - 1)
    assert middle.abs().max() < 0.02


def test_what_no_intake_knows_asks_for_a_camera() -> None:
    pixels = np.zeros((128, 128, 3), np.uint8)
    with pytest.raises(PhotoError, match="cannot be cropped") as caught:
        take_in(pixels, IntakeConfig(framing="none"))
    assert "--camera" in caught.value.hint


def test_low_resolution_is_the_picture_of_the_rays_and_can_be_copied() -> None:
    made, _ = thin("eg3d")
    low = fitted(made, InvertConfig(resolution="low"))
    assert isinstance(low, LowResolution) and low.card.image_size == 48
    w_plus = low.mean_latent()
    seen = low.render(low.planes(w_plus), w_plus, look_at(0.0), samples=(6, 4), background=0.0)
    whole = made.render(made.planes(w_plus), w_plus, look_at(0.0), samples=(6, 4))
    assert torch.equal(seen.image, whole.raw) and seen.image.shape[-1] == 48
    twin = copy.deepcopy(low)
    assert torch.equal(twin.mean_latent(), w_plus) and twin.whole is not made
    assert {n for n, _ in low.named_parameters()} == {n for n, _ in made.named_parameters()}
