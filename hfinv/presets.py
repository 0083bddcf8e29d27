"""The presets: named sets of settings. Plain text, so that `--help` can list them at once."""

from __future__ import annotations

SEARCH = (
    "latent.start=mean",
    "latent.camera_steps=0",
    "latent.camera_rate=0",
    "latent.learning_rate=0.04",
    "latent.noise=0.96",
    "latent.backbone=vgg",
    "latent.alpha=0",
    "latent.prior=0",
    "latent.landmarks=0",
)
"""The search that the published methods share, StyleGAN's projector: LPIPS of VGG16, the camera as given, noise of 0.05 times
the latents' mean distance from their mean, which is 0.05 sqrt(372) standard deviations of one of the bundled generator's
372 numbers. The published step of 0.01 is in the units of EG3D's w, whose spread differs; taken literally (0.008 standard
deviations) W+ had not arrived after its 500 steps: 14.2 dB on two heads of the benchmark, 17.6 with 0.02, 18.2 with 0.04."""
PROJECTOR = (*SEARCH, "latent.colour=0")
"""As its code has it: by LPIPS alone."""
HFGI3D = (
    *SEARCH,
    "latent.w_steps=0",
    "symmetry.use=false",
    "early.variables=weights",
    "early.steps=500",
    "early.learning_rate=0.0003",
    "early.ramp=false",
    "early.colour=1",
    "early.squared=true",
    "early.alpha=0",
    "early.stop_lpips=0.06",
    "early.keep_views=0",
    "pseudoview.restart=true",
    "pseudoview.painted=1",
    "pseudoview.views.outlines=0",
    "tuning.variables=weights",
    "tuning.learning_rate=0.0003",
    "tuning.ramp=false",
    "tuning.colour=1",
    "tuning.squared=true",
    "tuning.alpha=0",
    "tuning.keep_views=0",
    "tuning.views=1",
    "tuning.views_every=1",
    "tuning.outlines=0",
)
"""What HFGI3D's paper and its code have in common. LPIPS looks with AlexNet while tuning, as in the code; the paper
names VGG, which `tuning.backbone` can have."""
NO_TUNING = ("symmetry.use=false", "pseudoview.use=false", "tuning.steps=0", "tuning.keep_views=0")

PRESETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "fast": (
        "A first look: fewer steps of everything.",
        (
            "latent.camera_steps=5",
            "latent.w_steps=15",
            "latent.w_plus_steps=0",
            "symmetry.use=false",
            "early.steps=12",
            "pseudoview.occluded.steps=8",
            "tuning.steps=25",
        ),
    ),
    "default": ("A likeness in a few minutes on a CPU.", ()),
    "best": (
        "More steps where they still help.",
        (
            "latent.w_steps=120",
            "latent.w_plus_steps=30",
            "early.steps=60",
            "symmetry.warp.every=4",
            "symmetry.regions.every=4",
            "tuning.steps=300",
        ),
    ),
    "w": (
        "Published baseline: one latent vector (W), nothing is tuned.",
        (*PROJECTOR, "latent.w_steps=450", "latent.w_plus_steps=0", *NO_TUNING),
    ),
    "w_plus": (
        "Published baseline: a latent vector for each layer (W+), nothing is tuned.",
        (*PROJECTOR, "latent.w_steps=0", "latent.w_plus_steps=500", *NO_TUNING),
    ),
    "pti": (
        "Pivotal tuning as published: the pivot in W, then LPIPS and mean square alone.",
        (
            *PROJECTOR,
            "latent.w_steps=450",
            "latent.w_plus_steps=0",
            "symmetry.use=false",
            "pseudoview.use=false",
            "tuning.variables=weights",
            "tuning.steps=350",
            "tuning.learning_rate=0.0003",
            "tuning.ramp=false",
            "tuning.colour=1",
            "tuning.squared=true",
            "tuning.alpha=0",
            "tuning.stop_lpips=0.06",
            "tuning.keep_views=0",
        ),
    ),
    "spi": (
        "SPI as published: photo and mirrored photo find the pivot, then warps between neighbours and the mirror.",
        (
            *PROJECTOR,
            "latent.w_steps=0",
            "latent.w_plus_steps=500",
            "latent.mirror.rule=step",
            "early.steps=0",
            "symmetry.yaw.rule=step",
            "symmetry.light.model=none",
            "symmetry.confidence.only_unseen=false",
            "symmetry.confidence.only_symmetric=false",
            "symmetry.neighbours.count=0",
            "symmetry.neighbours.adaptive=false",
            "symmetry.visibility.constant=0.05",
            "symmetry.visibility.soft=false",
            "symmetry.visibility.grazing=90",
            "symmetry.visibility.grazing_end=90",
            "symmetry.warp.every=4",
            "symmetry.warp.batch=4",
            "symmetry.regions.every=4",
            "symmetry.regions.batch=4",
            "symmetry.regions.by_yaw=false",
            "symmetry.regions.least=0",
            "symmetry.distance.batch=4",
            "symmetry.distance.on_head=false",
            "pseudoview.use=false",
            "tuning.variables=weights",
            "tuning.steps=1000",
            "tuning.learning_rate=0.0003",
            "tuning.ramp=false",
            "tuning.backbone=vgg",
            "tuning.colour=1",
            "tuning.squared=true",
            "tuning.alpha=0",
            "tuning.stop_lpips=0.05",
            "tuning.keep_views=0",
            "tuning.mirror=0",
        ),
    ),
    "hfgi3d": (
        "HFGI3D as in its paper: z_o paints what is hidden, random views, Poisson blending; thousands of steps.",
        (
            *HFGI3D,
            "latent.w_plus_steps=1000",
            "pseudoview.views.sampling=random",
            "pseudoview.occluded.steps=1000",
            "pseudoview.occluded.squared=true",
            "pseudoview.blend.method=poisson",
            "tuning.steps=3000",
            "tuning.free_latent=true",
        ),
    ),
    "hfgi3d_code": (
        "HFGI3D as its code has it: no z_o, an ellipse of thirty views, feathered blending, masks used no more.",
        (
            *HFGI3D,
            "latent.w_plus_steps=500",
            "latent.colour=0",
            "pseudoview.views.sampling=ellipse",
            # 1/512 asks for one surface seen from both cameras: depth maps of the volume differ by more, and specks fall out.
            "pseudoview.visibility.constant=0.00195",
            "pseudoview.visibility.soft=false",
            "pseudoview.visibility.grazing=90",
            "pseudoview.visibility.grazing_end=90",
            "pseudoview.occluded.source=tuned",
            "pseudoview.blend.method=feather",
            "pseudoview.blend.rim=25",
            "tuning.steps=1000",
            "tuning.view_masks=false",
        ),
    ),
}
"""Name -> a sentence, and the settings that differ from the defaults."""
