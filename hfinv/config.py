"""Everything that shapes a result: the stages' settings, the presets, and what the user changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hfinv.errors import UsageError
from hfinv.intake import IntakeConfig
from hfinv.latent import LatentConfig
from hfinv.presets import PRESETS
from hfinv.settings import adjusted, describe, nearest, to_toml
from hfinv.tuning import TuningConfig

__all__ = ["PRESETS", "InvertConfig", "load_settings", "settings_help", "to_toml"]


@dataclass(frozen=True)
class InvertConfig:
    """Everything that shapes a result. Fields are the stages, in order."""

    generator: str = "heads"
    """Name of a bundled generator, or path of a checkpoint."""
    intake: IntakeConfig = field(default_factory=IntakeConfig)
    """How the photo becomes a face with a camera."""
    latent: LatentConfig = field(default_factory=LatentConfig)
    """How the pivot is found."""
    tuning: TuningConfig = field(default_factory=TuningConfig)
    """How the generator is tuned."""


def load_settings(
    preset: str = "default", config_file: Path | None = None, assignments: Sequence[str] = ()
) -> InvertConfig:
    """The settings of one inversion; what comes later wins: preset, TOML file, assignments.

    Args:
        preset: a key of `PRESETS`.
        config_file: TOML, such as a run's `settings.toml`.
        assignments: such as `latent.w_steps=60`.

    Raises:
        UsageError: an unknown name or an impossible value; it says what would be right.
    """
    if preset not in PRESETS:
        near = nearest(preset, PRESETS)
        names = ", ".join(f"`{name}`" for name in PRESETS)
        hint = f"did you mean `{near}`?" if near else f"choose one of {names}"
        raise UsageError(f"there is no preset `{preset}`", hint)
    _, overrides = PRESETS[preset]
    config = adjusted(InvertConfig(), None, overrides)
    return adjusted(config, config_file, assignments)


def settings_help() -> str:
    """The presets, then every setting with its default, what it may be and what it means."""
    presets = [f"--preset {name}\n    {sentence}" for name, (sentence, _) in PRESETS.items()]
    return "\n".join(presets) + "\n\n" + describe(InvertConfig())
