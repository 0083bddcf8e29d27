from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from hfinv.config import PRESETS, InvertConfig, load_settings, settings_help, to_toml
from hfinv.errors import UsageError
from hfinv.generators import locate
from hfinv.generators.checkpoint import read_card
from hfinv.settings import every
from hfinv.symmetry.weights import YawConfig


def test_the_default_preset_is_every_default() -> None:
    assert load_settings() == InvertConfig()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_exactly_its_overrides(preset: str) -> None:
    sentence, overrides = PRESETS[preset]
    defaults = {setting.path: setting.value for setting in every(InvertConfig())}
    changed = {s.path for s in every(load_settings(preset)) if s.value != defaults[s.path]}
    assert changed == {override.partition("=")[0] for override in overrides}
    assert sentence.endswith(".")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_settings_of_a_run_repeat_it_whatever_its_preset(tmp_path: Path, preset: str) -> None:
    file = tmp_path / "settings.toml"
    used = load_settings(preset, assignments=["latent.prior=0.5", "intake.face=2"])
    file.write_text(to_toml(used))
    for start in PRESETS:
        assert load_settings(start, file) == used


def test_preset_then_file_then_assignments(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[latent]\nw_steps = 7\ncamera_rate = 0.5\n")
    found = load_settings("pti", file, ["latent.w_steps=8"])
    pti = load_settings("pti")
    assert found == replace(pti, latent=replace(pti.latent, w_steps=8, camera_rate=0.5))


def test_an_unknown_preset_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="there is no preset `fsat`") as caught:
        load_settings("fsat")
    assert caught.value.hint == "did you mean `fast`?" and caught.value.exit_code == 2
    with pytest.raises(UsageError) as caught:
        load_settings("zzzzzz")
    assert "`fast`, `default`" in caught.value.hint


def test_an_unknown_setting_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="no setting `latent.step`") as caught:
        load_settings(assignments=["latent.step=3"])
    assert caught.value.hint == "did you mean `latent.w_steps`?"


def test_every_setting_is_documented() -> None:
    text = settings_help()
    for setting in every(InvertConfig()):
        assert setting.meaning, f"{setting.path} has no docstring"
        assert f"\n{setting.path} = " in text
    for name in PRESETS:
        assert f"--preset {name}\n" in text


def test_each_stage_is_one_field() -> None:
    assert [field.name for field in fields(InvertConfig)][:2] == ["generator", "intake"]


def test_the_published_methods_search_alike() -> None:
    methods = ("w", "w_plus", "pti", "spi", "hfgi3d", "hfgi3d_code")
    shared = ("start", "camera_rate", "learning_rate", "noise", "backbone", "alpha", "prior", "landmarks")
    found = [load_settings(name).latent for name in methods]
    assert len({tuple(getattr(latent, name) for name in shared) for latent in found}) == 1
    assert found[0].start == "mean" and found[0].backbone == "vgg"


def test_the_published_symmetry_mirrors_by_the_step_rule_and_trusts_every_region() -> None:
    spi = load_settings("spi")
    assert spi.latent.w_plus_steps == 500 and spi.latent.mirror.rule == "step"
    assert spi.symmetry.yaw == YawConfig("step", 0.5, 0.29, 2.7, 0.2)
    assert not spi.symmetry.confidence.only_unseen and not spi.symmetry.confidence.only_symmetric
    assert spi.symmetry.light.model == "none" and spi.symmetry.visibility.constant == 0.05
    assert spi.tuning.backbone == "vgg" and not spi.tuning.ramp and not spi.tuning.mirror
    terms = spi.symmetry.warp, spi.symmetry.regions, spi.symmetry.distance
    assert [(term.every, term.batch) for term in terms] == [(4, 4)] * 3
    assert spi.tuning.steps == 1000 and spi.tuning.stop_lpips == 0.05


def test_a_preset_may_carry_changes_of_its_own() -> None:
    recipe = load_settings("fast+symmetry.mirror=false+tuning.steps=7")
    assert recipe == load_settings(
        "fast", assignments=("symmetry.mirror=false", "tuning.steps=7")
    )
    with pytest.raises(UsageError, match="tuning.stepps"):
        load_settings("fast+tuning.stepps=7")


@pytest.mark.parametrize("preset", ("w", "w_plus", "pti"))
def test_the_projectors_noise_is_that_of_the_bundled_generators_w(preset: str) -> None:
    width = read_card(locate("heads")).w_dim
    assert load_settings(preset).latent.noise == pytest.approx(0.05 * width**0.5, rel=0.01)
