"""Edits of a head whose generator paints each factor's place in w as a tint, so that what an edit does is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import TOY, Ball, head_of
from PIL import Image
from torch import Tensor

import hfinv
from hfinv import editing
from hfinv.camera import look_at
from hfinv.errors import HfinvError, UsageError
from hfinv.generators.base import Factor
from hfinv.generators.checkpoint import save
from hfinv.generators.trained import Trained, beside
from hfinv.generators.trained import save as save_direction
from hfinv.head import Head
from hfinv.options import Attributes
from hfinv.painting import Paint
from hfinv.training import TrainConfig, begin

FACTORS = (Factor("redness", "+2 red"), Factor("greenness", "+2 green"))
GAIN = 0.25


class LabelledBall(Ball):
    """A ball whose two factors are its red and green tint, a quarter a standard deviation."""

    def __init__(self) -> None:
        super().__init__()
        self.card = replace(self.card, factors=FACTORS)

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        w = torch.zeros(len(z), self.card.w_dim)
        w[:, :2] = GAIN * truncation * z
        return w[:, None].repeat(1, self.card.num_ws, 1)


@pytest.fixture
def head(tmp_path: Path) -> Head:
    ball = head_of(LabelledBall(), look_at(0.0))
    return Head(ball.generator, ball.w_plus, ball.planes, ball.camera, 30.0, 0.1, tmp_path / "run")


def test_one_standard_deviation_of_a_factor_is_what_the_generator_does_for_it(head: Head) -> None:
    before, after = head.render(), head.edit(redness=1.0).render()
    tint = (after.image - before.image)[0, :, 128 // 4, 128 // 4]  # a point on the ball
    assert torch.allclose(tint, torch.tensor([GAIN, 0.0, 0.0]), atol=1e-5)


def test_edits_add_up_and_are_undone_by_their_opposite(head: Head) -> None:
    both = head.edit(redness=0.5).edit(greenness=-1.0)
    at_once = head.edit(greenness=-1.0, redness=0.5)
    assert torch.allclose(both.w_plus, at_once.w_plus, atol=1e-6)
    assert torch.allclose(both.edit(redness=-0.5, greenness=1.0).w_plus, head.w_plus, atol=1e-6)


def test_an_edit_is_kept_with_pictures_and_found_again(head: Head) -> None:
    change = editing.edit(head, {"redness": 0.8})
    folder = editing.keep(head, change, editing.title({"redness": 0.8}))
    assert folder == head.run / "edits" / "redness+0.8"
    assert (folder / "before_after.png").stat().st_size > 1000
    assert editing.is_edit(folder) and not editing.is_edit(head.run)
    again = editing.load(folder, head)
    assert torch.equal(again.w_plus, change.w_plus) and again.run == folder
    assert torch.equal(again.render(yaw=20).image, head.edit(redness=0.8).render(yaw=20).image)


def test_an_edit_of_a_head_that_was_made_anew_is_refused(head: Head) -> None:
    folder = editing.keep(head, editing.edit(head, {"redness": 1.0}), "red")
    other = replace(head, w_plus=head.w_plus + 0.1)
    with pytest.raises(HfinvError, match="another head"):
        editing.load(folder, other)


def test_a_damaged_edit_says_so(head: Head) -> None:
    folder = editing.keep(head, editing.edit(head, {"redness": 1.0}), "red")
    (folder / "tensors.safetensors").write_bytes(b"short")
    with pytest.raises(HfinvError, match="damaged"):
        editing.load(folder, head)


def test_unknown_factors_answer_with_the_nearest(head: Head) -> None:
    with pytest.raises(UsageError) as caught:
        head.edit(rednes=1.0)
    assert "redness" in caught.value.hint


def test_names_that_leave_the_folder_are_refused(head: Head) -> None:
    change = editing.edit(head, {"redness": 1.0})
    for name in ("../up", "", ".hidden", "a/b"):
        with pytest.raises(UsageError):
            editing.keep(head, change, name)


def test_amounts_beyond_the_training_are_warned_of(head: Head) -> None:
    along = editing.directions(head.generator)
    assert editing.warnings(along, {"redness": 1.0}) == []
    (sentence,) = editing.warnings(along, {"redness": 3.0, "greenness": -1.0})
    assert sentence.startswith("redness+3 is beyond")


def test_an_unlabelled_generator_has_nothing_to_edit() -> None:
    ball = head_of(Ball(), look_at(0.0))
    head = Head(ball.generator, ball.w_plus, ball.planes, ball.camera, 30.0, 0.1, Path("run"))
    with pytest.raises(UsageError, match="no labelled factors"):
        head.edit(smile=1.0)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("smile+0.8", [("smile", 0.8)]),
        ("smile+0.8,age-.5", [("smile", 0.8), ("age", -0.5)]),
        ("shape_03-1", [("shape_03", -1.0)]),
    ],
)
def test_attributes_are_typed_as_name_and_amount(text: str, pairs: list) -> None:
    assert Attributes().convert(text, None, None) == pairs


def test_the_verb_edits_an_edit_of_a_run(tmp_path: Path) -> None:
    from hfinv.cli import main

    run = inverted(tmp_path)
    runner = CliRunner()
    first = runner.invoke(main, ["edit", str(run), "--attr", "smile+0.8", "--quiet"])
    assert first.exit_code == 0, first.output
    folder = Path(first.stdout.strip())
    assert folder == run / "edits" / "smile+0.8"
    second = runner.invoke(main, ["edit", str(folder), "--attr", "age+9", "--out", "old", "-q"])
    assert second.exit_code == 0 and "beyond" in second.stderr, second.output
    still = ["render", str(folder / "edits" / "old"), "--yaw", "0", "--quiet"]
    assert runner.invoke(main, still).exit_code == 0
    assert (folder / "edits" / "old" / "renders" / "yaw+0.png").exists()


def painted(run: Path, path: Path) -> Path:
    """A dark bar painted on the middle of the crop."""
    pixels = np.array(Image.open(run / "intake" / "crop.png"))
    pixels[230:290, 180:330] = (20, 20, 90)
    Image.fromarray(pixels).save(path)
    return path


def test_the_verb_paints_and_changes_at_once_and_edits_what_is_painted(tmp_path: Path) -> None:
    from hfinv.cli import main

    run, runner = inverted(tmp_path), CliRunner()
    texture = painted(run, tmp_path / "bar.png")
    words = ["edit", str(run), "--texture", str(texture), "--attr", "smile+0.8", "-q"]
    first = runner.invoke(main, words)
    assert first.exit_code == 0, first.output
    folder = Path(first.stdout.strip())
    assert folder == run / "edits" / "smile+0.8,bar" and (folder / "before_after.png").exists()
    head = hfinv.open_head(folder, "cpu")
    plain = head.generator.planes(head.w_plus)
    assert head.paint is not None and 0 < (head.planes - plain).abs().sum()
    again = runner.invoke(main, ["edit", str(folder), "--attr", "age-0.5", "--out", "young", "-q"])
    assert again.exit_code == 0, again.output
    young = hfinv.open_head(folder / "edits" / "young", "cpu")
    assert torch.equal(young.paint.mask, head.paint.mask)
    assert not torch.equal(young.planes, young.generator.planes(young.w_plus))


def test_the_verb_tells_what_is_wrong_with_a_texture(tmp_path: Path) -> None:
    from hfinv.cli import main

    run, runner = inverted(tmp_path), CliRunner()
    crop = run / "intake" / "crop.png"
    Image.open(crop).resize((300, 200)).save(tmp_path / "wide.png")
    for texture, said in ((crop, "nothing is painted"), (tmp_path / "wide.png", "300 x 200")):
        result = runner.invoke(main, ["edit", str(run), "--texture", str(texture), "-q"])
        assert result.exit_code == 3 and said in result.stderr
    assert not (run / "edits").exists()


def test_paint_needs_the_fit_that_it_was_made_for(head: Head) -> None:
    grey = torch.zeros(1, 3, 64, 64)
    paint = Paint(grey, torch.ones_like(grey[:, :1]), head.camera, head.w_plus)
    change = replace(
        editing.edit(head, {}), paint=paint, residual=torch.full_like(head.planes, 0.1)
    )
    folder = editing.keep(head, change, "grey")
    assert torch.allclose(editing.load(folder, head).planes, head.planes + 0.1)
    with pytest.raises(HfinvError, match="another head"):
        editing.load(folder, replace(head, psnr=head.psnr + 1))


def test_a_trained_direction_is_listed_and_followed(tmp_path: Path, monkeypatch) -> None:
    from hfinv.cli import main

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    run, runner = inverted(tmp_path), CliRunner()
    about = json.loads((run / "run.json").read_text())
    width = hfinv.open_head(run, "cpu").w_plus.shape[-1]
    vector = torch.linspace(-1, 1, width)
    made = Trained("grin", "wide", about["inputs"]["generator"], vector, vector, {})
    save_direction(made, beside(Path(about["generator"])))
    listed = runner.invoke(main, ["edit", str(run), "--list"])
    assert "grin" in listed.stdout and "smile" in listed.stdout
    result = runner.invoke(main, ["edit", str(run), "--attr", "grin+1.5", "-q"])
    assert result.exit_code == 0, result.output
    moved = hfinv.open_head(result.stdout.strip(), "cpu").w_plus
    before = hfinv.open_head(run, "cpu").w_plus
    assert torch.allclose(moved, before + 1.5 * vector, atol=1e-5)
    wrong = runner.invoke(main, ["edit", str(run), "--attr", "grim+1", "-q"])
    assert wrong.exit_code == 2 and "`grin`" in wrong.stderr


@pytest.mark.parametrize("words", [["--attr", "smile"], ["--attr", "smile+"], []])
def test_the_verb_refuses_what_is_no_edit(tmp_path: Path, words: list[str]) -> None:
    from hfinv.cli import main

    assert CliRunner().invoke(main, ["edit", str(tmp_path), *words]).exit_code == 2


def inverted(tmp_path: Path) -> Path:
    """A run of the shortest schedule with a small untrained generator."""
    from hfinv.config import InvertConfig
    from hfinv.latent import LatentConfig
    from hfinv.tuning import TuningConfig

    generator = begin(TrainConfig(network=TOY)).generator
    generator.mapping.measure(64)
    save(generator, tmp_path / "toy.safetensors")
    config = InvertConfig(
        generator=str(tmp_path / "toy.safetensors"),
        latent=LatentConfig(start="mean", camera_steps=0, w_steps=1, w_plus_steps=0),
        tuning=TuningConfig(steps=0),
    )
    photo = Path(__file__).parent.parent / "examples" / "faces" / "f1.jpg"
    return hfinv.invert(photo, tmp_path / "run", config, device="cpu").run
