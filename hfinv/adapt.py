"""Settings and stages made to fit one generator: how it wants photos, and what it draws behind a head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor

from hfinv.camera import Camera
from hfinv.config import InvertConfig
from hfinv.errors import UsageError
from hfinv.generators.base import Card, Generator, Rendering
from hfinv.intake import Face

GIGABYTE = 10**9


def adapted(config: InvertConfig, card: Card) -> InvertConfig:
    """The settings with what the generator's card decides.

    Args:
        config: what the person set.
        card: of the generator.

    Raises:
        UsageError: the background is to be kept, and the generator draws none; or it is to be cut off behind
            something that is no person.
    """
    config = replace(config, intake=replace(config.intake, framing=card.framing))
    people = card.framing in ("eg3d", "panohead")
    if config.background == "matte" and not people:
        raise UsageError(
            f"`{card.name}` does not show people, and only they can be told from a background here",
            "leave `--background matte` out",
        )
    if card.backdrop == "white":  # the photo's white says nothing of where the thing ends
        return _as_photographed(replace(config, intake=replace(config.intake, matte=people)), 0.0)
    if config.background == "matte" or (config.background == "auto" and card.backdrop == "plain"):
        return config
    if card.backdrop == "plain":
        raise UsageError(
            f"the generator `{card.name}` draws no background, so none can be kept",
            "use `--background matte`",
        )
    if card.backdrop == "planes":  # head and background are one there
        return replace(config, intake=replace(config.intake, matte=False))
    return _as_photographed(config)


def _as_photographed(config: InvertConfig, alpha: float | None = None) -> InvertConfig:
    """Compare with the photo as it is, before its own background; `alpha` weighs the silhouette anew."""
    changes = {"background": None} | ({} if alpha is None else {"alpha": alpha})
    return replace(
        config,
        latent=replace(config.latent, **changes),
        early=replace(config.early, **changes),
        tuning=replace(config.tuning, **changes),
    )


def placed(face: Face, card: Card) -> Face:
    """The face with its camera shifted as the generator's training cameras were."""
    if not any(card.offset):
        return face
    cam2world = face.camera.cam2world.clone()
    cam2world[:, :3, 3] += cam2world.new_tensor(card.offset)
    return replace(face, camera=Camera(cam2world, face.camera.intrinsics))


def fitted(generator: Generator, config: InvertConfig) -> Generator:
    """The generator as the stages are to see it, with the memory and the resolution that the settings allow."""
    if config.max_memory is not None and hasattr(generator, "memory"):
        generator.memory = int(config.max_memory * GIGABYTE)
    return LowResolution(generator) if config.resolution == "low" else generator


class LowResolution:
    """A generator without its super-resolution; everything else is the generator's own.

    Args:
        generator: any whose card tells its `ray_size`.
    """

    def __init__(self, generator: Generator) -> None:
        self.whole = generator
        self.card = replace(generator.card, image_size=generator.card.arguments["ray_size"])

    def __getattr__(self, name: str) -> Any:
        if name == "whole" or name.startswith("__"):  # copying asks before there is a generator
            raise AttributeError(name)
        return getattr(self.whole, name)

    def render(self, planes: Tensor, w_plus: Tensor, camera: Camera, **settings: Any) -> Rendering:
        """As the generator's, at most at the size of its rays."""
        return self.whole.render(planes, w_plus, camera, **{**settings, "superresolve": False})
