"""Edits of a head whose generator paints each factor's place in w as a tint, so that what an edit does is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from conftest import TOY, Ball, head_of
from torch import Tensor

from hfinv import editing
from hfinv.camera import look_at
from hfinv.errors import HfinvError, UsageError
from hfinv.generators.base import Factor
from hfinv.generators.checkpoint import save
from hfinv.head import Head
from hfinv.options import Attributes
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


@pytest.mark.parametrize("words", [["--attr", "smile"], ["--attr", "smile+"], []])
def test_the_verb_refuses_what_is_no_edit(tmp_path: Path, words: list[str]) -> None:
    from hfinv.cli import main

    assert CliRunner().invoke(main, ["edit", str(tmp_path), *words]).exit_code == 2


def inverted(tmp_path: Path) -> Path:
    """A run of the shortest schedule with a small untrained generator."""
    import hfinv
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
