"""A folder in EG3D's layout is read as it is written, and a prior is learned from it without labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TOY
from PIL import Image

from hfinv.camera import look_at
from hfinv.errors import HfinvError
from hfinv.generators import load_generator
from hfinv.generators.heads import Heads
from hfinv.training import TrainConfig, card, train_generator
from hfinv.training.loop import LoopConfig
from hfinv.training.objective import ObjectiveConfig
from hfinv.training.posed_images import PosedImages, absorb, posed_card

YAWS = (-0.5, -0.2, 0.1, 0.4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures of grey discs; the last one has no alpha channel."""
    root = tmp_path / "data"
    (root / "00000").mkdir(parents=True)
    labels = []
    y, x = np.mgrid[:16, :16] - 7.5
    for index, yaw in enumerate(YAWS):
        name = f"00000/img{index:08d}.png"
        pixels = np.full((16, 16, 4), 60 + 40 * index, np.uint8)
        pixels[..., 3] = 255 * (np.hypot(x, y) < 5)
        Image.fromarray(pixels if index < 3 else pixels[..., :3]).save(root / name)
        labels.append([name, look_at(yaw).label()[0].tolist()])
    (root / "dataset.json").write_text(json.dumps({"labels": labels}))
    return root


def test_pictures_come_with_their_cameras_and_coverage(folder: Path) -> None:
    batch = PosedImages(folder, 16).batch([1, 3])
    assert batch.z is None and not batch.measured
    yaw, _ = batch.camera.angles()
    assert yaw.tolist() == pytest.approx([YAWS[1], YAWS[3]], abs=1e-5)
    assert batch.image.shape == (2, 1, 3, 16, 16)
    assert batch.image[0, 0, :, 8, 8].tolist() == pytest.approx([2 * 100 / 255 - 1] * 3)
    assert batch.alpha[0, 0, 0, 0, 0] == 0 and (batch.image[0, 0, :, 0, 0] == 0).all()
    assert (batch.alpha[1] == 1).all()


def test_the_card_takes_its_cameras_from_the_pictures(folder: Path) -> None:
    measured = posed_card(card(TOY), PosedImages(folder, 16).camera, 4)
    assert measured.radius == pytest.approx(2.7, abs=1e-4)
    assert measured.focal == pytest.approx(4.2647, abs=1e-4)
    # These cameras look at (0, 0, 0.2), so their axes meet there.
    assert measured.pivot == pytest.approx((0, 0, 0.2), abs=0.02)
    assert measured.yaw_range == pytest.approx(0.5, abs=0.02) and measured.factors == ()


def test_absorbed_codes_become_the_prior() -> None:
    torch.manual_seed(0)
    generator = Heads(posed_card(card(TOY), look_at(torch.tensor(YAWS)), 3))
    codes = torch.randn(4000, 3) * torch.tensor([2.0, 0.5, 1.0]) + torch.tensor([1.0, 0.0, -3.0])
    with torch.no_grad():
        before = generator.mapping(codes)
        absorb(generator, codes)
        after = generator.mapping(torch.randn(4000, 3))
    assert torch.allclose(before.mean(0), after.mean(0), atol=0.15)
    assert torch.allclose(before.std(0), after.std(0), atol=0.15)


def test_a_prior_is_learned_without_labels(folder: Path, tmp_path: Path) -> None:
    loop = LoopConfig(0, 6, 60, 4, batch=4, picture_batch=4, half=False, sheet_every=70)
    objective = ObjectiveConfig(ray_views=1, rays=32, ray_samples=(8, 4))
    network = TrainConfig().network.__class__(**{**TOY.__dict__, "image_size": 32})
    losses: list[float] = []

    def listen(step: object) -> None:
        if step.stage == "pictures":
            losses.append(sum(step.losses.values()))

    config = TrainConfig(network=network, loop=loop, objective=objective)
    path = train_generator(tmp_path / "out", config, folder, listen)
    assert np.mean(losses[-5:]) < 0.85 * np.mean(losses[:5])
    generator = load_generator(path)
    assert "4 posed pictures" in generator.card.made
    w_plus = generator.map(torch.zeros(1, TOY.z_dim))
    picture = generator.render(generator.planes(w_plus), w_plus, look_at(0.0)).image
    assert picture.shape == (1, 3, 32, 32) and picture.isfinite().all()
    sheet = Image.open(tmp_path / "out" / "sheets" / "sheet_0000070.png")
    assert sheet.size == (6 * 32, 4 * 32)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "cannot be read"),
        ('{"labels": [["a.png", [1, 2]]]}', "expected"),
        (json.dumps({"labels": [["a.png", [0.0] * 25]]}), "not there"),
    ],
)
def test_a_faulty_index_is_refused(text: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(HfinvError, match=fault):
        PosedImages(tmp_path, 16)
