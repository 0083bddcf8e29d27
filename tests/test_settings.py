from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from hfinv import settings
from hfinv.errors import UsageError


@dataclass(frozen=True)
class Blend:
    """How two sources meet."""

    feather: int = 9
    """Width of the soft border,
    in pixels."""
    bands: tuple[int, ...] = ()
    """Pyramid levels."""


@dataclass(frozen=True)
class Tree:
    """A little of everything."""

    name: str = "heads"
    """Whose."""
    rate: float = 1e-5
    """Peak step."""
    keep: bool = True
    """Stay near."""
    size: int | None = None
    """Pixels."""
    kind: Literal["mean", "encoder"] = "mean"
    """Where to start."""
    samples: tuple[int, int] = (32, 16)
    """Coarse and fine."""
    near: float | str = 2.25
    """Distance, or auto."""
    label: Path | None = None
    """A camera."""
    blend: Blend = field(default_factory=Blend)
    """How."""

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise UsageError(f"the rate {self.rate} is negative")


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("name=a=b c", Tree(name="a=b c")),
        ("rate=3", Tree(rate=3.0)),
        ("keep=false", Tree(keep=False)),
        ("size=512", Tree(size=512)),
        ("kind=encoder", Tree(kind="encoder")),
        ("samples=64, 32", Tree(samples=(64, 32))),
        ("samples=[64,32]", Tree(samples=(64, 32))),
        ("near=auto", Tree(near="auto")),
        ("near=2", Tree(near=2.0)),
        ("label=a/b.json", Tree(label=Path("a/b.json"))),
        ("blend.feather=15", Tree(blend=Blend(feather=15))),
        ("blend.bands=1,2,3", Tree(blend=Blend(bands=(1, 2, 3)))),
        ("blend.bands=", Tree()),
    ],
)
def test_an_assignment_has_the_type_of_its_annotation(assignment: str, expected: Tree) -> None:
    changed = settings.assign(Tree(), assignment)
    assert changed == expected
    assert repr(changed) == repr(expected)  # 3.0 == 3, but they are written differently


def test_none_takes_a_value_back() -> None:
    assert settings.assign(Tree(size=3, label=Path("x")), "size=none").size is None
    assert settings.assign(Tree(label=Path("x")), "label=none").label is None


@pytest.mark.parametrize(
    ("assignment", "sentence", "hint"),
    [
        ("rate=fast", "`rate` must be a number, not `fast`", "Peak step."),
        ("rate=nan", "`rate` must be a number, not `nan`", "Peak step."),
        (
            "blend.feather=1.5",
            "`blend.feather` must be a whole number, not `1.5`",
            "Width of the soft border, in pixels.",
        ),
        ("keep=yes", "`keep` must be `true` or `false`, not `yes`", "Stay near."),
        ("size=big", "`size` must be a whole number or `none`, not `big`", "Pixels."),
        (
            "kind=encodr",
            "`kind` must be one of `mean`, `encoder`, not `encodr`",
            "did you mean `encoder`?",
        ),
        (
            "samples=1,2,3",
            "`samples` must be 2 values with commas between, each a whole number, not `1,2,3`",
            "Coarse and fine.",
        ),
        ("blend.fether=1", "there is no setting `blend.fether`", "did you mean `blend.feather`?"),
        ("feather=1", "there is no setting `feather`", "did you mean `blend.feather`?"),
        ("zzz=1", "there is no setting `zzz`", settings.SEE_ALL),
        ("blend=1", "`blend` is a group of settings", "set one of them, such as `blend.feather`"),
        ("rate", "`rate` sets nothing", "write `--set name=value`"),
        ("rate=-1", "the rate -1.0 is negative", None),
    ],
)
def test_a_wrong_assignment_is_one_sentence_and_a_way_out(
    assignment: str, sentence: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        settings.assign(Tree(), assignment)
    assert (caught.value.message, caught.value.hint) == (sentence, hint)


EVERYTHING_CHANGED = Tree(
    name='a "quoted" \\ näme\n\x7f',
    rate=float("inf"),
    keep=False,
    size=7,
    kind="encoder",
    samples=(1, 2),
    near="auto",
    label=Path("a b/c.json"),
    blend=Blend(feather=1, bands=(3, 2)),
)


@pytest.mark.parametrize("tree", [Tree(), EVERYTHING_CHANGED, Tree(near=1.0, rate=1e300)])
def test_what_is_written_as_toml_is_read_back_over_any_other_tree(tree: Tree) -> None:
    table = tomllib.loads(settings.to_toml(tree))
    for other in (Tree(), EVERYTHING_CHANGED):
        assert settings.merge(other, table) == tree


def test_toml_holds_each_meaning_above_its_value() -> None:
    text = settings.to_toml(Tree())
    assert "# Peak step.\nrate = 1e-05\n" in text
    assert "[blend]\n# Width of the soft border, in pixels.\nfeather = 9\n" in text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rate = true", "`rate` must be a number, not `true`"),
        ('blend.feather = "15"', "`blend.feather` must be a whole number, not `15`"),
        ("keep = 1", "`keep` must be `true` or `false`, not `1`"),
        ("name = 2020-01-01", "`name` must be text, not `2020-01-01`"),
        (
            "samples = 3",
            "`samples` must be 2 values with commas between, each a whole number, not `3`",
        ),
        ("[blend]\nfether = 1", "there is no setting `blend.fether`"),
        ("[blnd]\nfeather = 1", "there is no setting `blnd`"),
        ("[name]\nfirst = 1", "`name` must be text, not `{'first': 1}`"),
        ("blend = 1", "`blend` is a group of settings"),
    ],
)
def test_a_wrong_toml_value_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings.merge(Tree(), tomllib.loads(text))
    assert caught.value.message == sentence


def test_whole_numbers_in_toml_are_numbers() -> None:
    assert repr(settings.merge(Tree(), {"rate": 2}).rate) == "2.0"


def test_assignments_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("size = 3\n[blend]\nfeather = 3\n")
    found = settings.adjusted(Tree(size=1, rate=0.5), file, ["blend.feather=5", "blend.bands=1"])
    assert found == Tree(size=3, rate=0.5, blend=Blend(feather=5, bands=(1,)))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"a = = b", "is not TOML"), (b"\xff", "is not TOML")],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "own.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        settings.read_toml(file)
    assert str(file) in caught.value.message


def test_the_description_has_every_setting_with_its_default_and_meaning() -> None:
    text = settings.describe(Tree())
    assert "blend.feather = 9    (a whole number)\n    Width of the soft border, in pixels." in text
    assert text.count(" = ") == 10


def test_a_setting_of_a_type_that_cannot_be_written_is_a_mistake_in_the_program() -> None:
    @dataclass(frozen=True)
    class Odd:
        when: dict = field(default_factory=dict)

    with pytest.raises(TypeError, match="not supported"):
        settings.to_toml(Odd())


def test_the_tree_that_was_changed_stays_as_it_was() -> None:
    tree = Tree()
    settings.assign(tree, "blend.feather=15")
    assert tree == Tree() == replace(tree)
