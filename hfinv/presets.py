"""The presets: named sets of settings. Plain text, so that `--help` can list them at once."""

from __future__ import annotations

PRESETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "fast": (
        "A first look: fewer steps of everything.",
        ("latent.camera_steps=5", "latent.w_steps=15", "latent.w_plus_steps=20", "tuning.steps=40"),
    ),
    "default": ("A likeness in a few minutes on a CPU.", ()),
    "best": (
        "More steps where they still help.",
        ("latent.w_steps=120", "latent.w_plus_steps=200", "tuning.steps=250"),
    ),
    "pti": (
        "Pivotal tuning as published: the pivot in W, then LPIPS and mean square alone.",
        (
            "latent.camera_steps=0",
            "latent.camera_rate=0",
            "latent.w_steps=450",
            "latent.w_plus_steps=0",
            "tuning.steps=350",
            "tuning.learning_rate=0.0003",
            "tuning.colour=1",
            "tuning.squared=true",
            "tuning.alpha=0",
            "tuning.stop_lpips=0.06",
            "tuning.keep_views=0",
        ),
    ),
}
"""Name -> a sentence, and the settings that differ from the defaults."""
