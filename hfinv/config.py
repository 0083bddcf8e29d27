"""Everything that shapes a result: the stages' settings, the presets, and what the user changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hfinv.errors import UsageError
from hfinv.intake import IntakeConfig
from hfinv.latent import LatentConfig
from hfinv.presets import PRESETS
from hfinv.pseudoview import PseudoViewConfig
from hfinv.settings import adjusted, describe, nearest, to_toml
from hfinv.symmetry import SymmetryConfig
from hfinv.tuning import TuningConfig

__all__ = ["PRESETS", "InvertConfig", "load_settings", "settings_help", "to_toml"]


@dataclass(frozen=True)
class InvertConfig:
    """Everything that shapes a result. Fields are the stages, in order, then what concerns several."""

    generator: str = "heads"
    """Name of a bundled generator, or path of a checkpoint."""
    intake: IntakeConfig = field(default_factory=IntakeConfig)
    """How the photo becomes a face with a camera."""
    latent: LatentConfig = field(default_factory=LatentConfig)
    """How the pivot is found."""
    symmetry: SymmetryConfig = field(default_factory=SymmetryConfig)
    """What the near side of the face says of its far side."""
    early: TuningConfig = field(default_factory=lambda: TuningConfig(steps=25, colour=10.0))
    """How a copy is tuned first, until its surface is good enough to carry the photo to pseudo views."""
    pseudoview: PseudoViewConfig = field(default_factory=PseudoViewConfig)
    """How pseudo views are made of it."""
    tuning: TuningConfig = field(default_factory=TuningConfig)
    """How the generator is tuned."""
    background: Literal["auto", "keep", "matte"] = "auto"
    """Fit the photo's background too, or only the person; auto keeps it where the generator draws one."""
    resolution: Literal["full", "low"] = "full"
    """Fit the final picture, or the small one before super-resolution, which is quicker and less sharp."""
    max_memory: float | None = None
    """Gigabytes that one step may take for rays; slower, with the same result. None sets no limit."""
    report: bool = True
    """Write the run's `report.html` at the end; takes some seconds and changes nothing else."""


def load_settings(
    preset: str = "default", config_file: Path | None = None, assignments: Sequence[str] = ()
) -> InvertConfig:
    """The settings of one inversion; what comes later wins: preset, TOML file, assignments.

    Args:
        preset: a key of `PRESETS`, with settings of its own after plus signs if it is to be another recipe, such as
            `default+symmetry.use=false+tuning.steps=100`.
        config_file: TOML, such as a run's `settings.toml`.
        assignments: such as `latent.w_steps=60`.

    Raises:
        UsageError: an unknown name or an impossible value; it says what would be right.
    """
    preset, *changes = preset.split("+")
    if preset not in PRESETS:
        near = nearest(preset, PRESETS)
        names = ", ".join(f"`{name}`" for name in PRESETS)
        hint = f"did you mean `{near}`?" if near else f"choose one of {names}"
        raise UsageError(f"there is no preset `{preset}`", hint)
    _, overrides = PRESETS[preset]
    config = adjusted(InvertConfig(), None, (*overrides, *changes))
    return adjusted(config, config_file, assignments)


def settings_help() -> str:
    """The presets, then every setting with its default, what it may be and what it means."""
    presets = [f"--preset {name}\n    {sentence}" for name, (sentence, _) in PRESETS.items()]
    return "\n".join(presets) + "\n\n" + describe(InvertConfig())
