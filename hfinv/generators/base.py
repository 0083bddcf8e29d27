"""What the rest of hfinv may know of a 3D-aware generator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from hfinv.camera import Camera

BACKDROPS = ("plain", "white", "planes", "network")
"""What `Card.backdrop` may be."""
FRAMINGS = ("eg3d", "panohead", "frontal", "none")
"""What `Card.framing` may be."""


@dataclass(frozen=True)
class Factor:
    """One labelled number of a generator's z."""

    name: str
    meaning: str
    """What -2 and +2 look like, in a few words."""


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself."""

    name: str
    family: str
    """A key of `GENERATORS`."""
    arguments: dict
    """Keyword arguments that rebuild the network."""
    image_size: int
    """Side of the final image, in pixels."""
    box: float
    """Side of the cube that the planes span, in world units."""
    radius: float
    """Distance of the training cameras from the world origin."""
    pivot: tuple[float, float, float]
    """The point that the training cameras look at."""
    focal: float
    """In image sides."""
    num_ws: int
    w_dim: int
    yaw_range: float
    """Radians: beyond this yaw, training never looked; a renderer calls it guessed."""
    factors: tuple[Factor, ...] = ()
    """What each entry of z means; empty for an unlabelled generator."""
    licence: str = ""
    made: str = ""
    """How it was trained: data, steps, hardware."""
    notes: dict = field(default_factory=dict)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """By how much its training cameras were off, in the mean, world units; see `PanoHead.camera_offset`."""
    backdrop: str = "plain"
    """What is behind the head: "plain", whatever grey is asked for; "white", always; "planes", a background that the planes hold as
    well; "network", one that is painted behind, and that a grey can replace."""
    framing: str = "eg3d"
    """How its training photos were cropped: "eg3d" or "panohead" for faces; "frontal" for faces that no detector of
    ours finds, such as cats', which are taken as already cropped; "none" for anything else."""


@dataclass(frozen=True)
class Rendering:
    """What B cameras see."""

    image: Tensor
    """[B, 3, H, H] in [-1, 1], final, over the background."""
    alpha: Tensor
    """[B, 1, H, H] in [0, 1], 1 where the head is, at the final size."""
    raw: Tensor
    """[B, 3, h, h] in [-1, 1], before super-resolution, over the same background."""
    opacity: Tensor
    """[B, 1, h, h] in [0, 1], accumulated along the rays."""
    distance: Tensor
    """[B, 1, h, h], along the unit ray, world units; where opacity is near 0 it means nothing."""


class Generator(Protocol):
    """A 3D GAN: z -> w -> planes -> pictures.

    Also a `torch.nn.Module`, and a `hfinv.generators.tunable.Tunable` if it is to be tuned. No call draws random numbers.
    """

    card: Card

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """[B, Z] -> w_plus [B, L, D], all L rows equal."""

    def mean_latent(self) -> Tensor:
        """[1, L, D], the mean of w over the prior."""

    def latent_scale(self) -> Tensor:
        """[1, 1, D], the standard deviation of w over the prior."""

    def planes(self, w_plus: Tensor) -> Tensor:
        """[B, L, D] -> [B, P, C, h, w], P planes of the family; made once, rendered many times."""

    def render(
        self,
        planes: Tensor,
        w_plus: Tensor,
        camera: Camera,
        *,
        size: int | None = None,
        samples: tuple[int, int] | None = None,
        superresolve: bool = True,
        background: float | None = 1.0,
    ) -> Rendering:
        """Draw the planes as the cameras see them, without any jitter.

        Args:
            planes: [B, P, C, h, w], or [1, ...] shared by all cameras.
            w_plus: [B, L, D] or [1, L, D]; steers the super-resolution.
            camera: B cameras.
            size: rays along one side, before super-resolution; the checkpoint's own if None.
            samples: coarse and fine samples a ray; the checkpoint's own if None.
            superresolve: False leaves `image` and `alpha` at the ray size, equal to `raw` and `opacity`.
            background: grey level in [-1, 1] that shows where nothing is, where the family composites over
                one; None leaves the family's own.
        """

    def density(self, planes: Tensor, points: Tensor) -> Tensor:
        """[B, N, 3] in world units -> raw sigma [B, N, 1]."""
