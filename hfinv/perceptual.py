"""LPIPS from the `lpips` package over the bundled backbone, with the target's features computed once.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from hfinv.device import in_half
from hfinv.errors import WeightsError

ASSETS = Path(__file__).parent / "assets"
SMALLEST = 32
"""Images below this side vanish in AlexNet's strides, so they are enlarged to it."""


class Perceptual(nn.Module):
    """LPIPS v0.1; frozen, in inference mode."""

    def __init__(self, net: str = "alex", half: bool = False) -> None:
        """
        Args:
            net: `alex` or `vgg`; its backbone must be among the assets.
            half: let the backbone run in bfloat16 where that is faster, for searches: VGG16 is twice as fast on a
                processor that has it, and LPIPS of 0.1 right to half a percent. Measurements want it off.

        Raises:
            WeightsError: the backbone is not there.
        """
        super().__init__()
        self.path = ASSETS / f"lpips_{net}.safetensors"
        if not self.path.is_file():
            raise WeightsError(
                f"the LPIPS backbone `{net}` is not bundled", "reinstall hfinv, or use `alex`"
            )
        self.net, self.half = net, half
        self.register_buffer("place", torch.zeros(()), persistent=False)
        self.loaded: nn.Module | None = None

    @property
    def model(self) -> nn.Module:
        """The package's network, read on first use: a run that is only found again never needs it."""
        if self.loaded is None:
            self.loaded = read_model(self.net, self.path).to(self.place.device)
        return self.loaded

    def features(self, image: Tensor) -> list[Tensor]:
        """The layers' feature maps, each pixel's scaled to unit length over channels.

        Args:
            image: [B, 3, H, W] in [-1, 1].
        """
        if min(image.shape[-2:]) < SMALLEST:
            image = F.interpolate(
                image, size=(SMALLEST, SMALLEST), mode="bilinear", align_corners=False
            )
        image = image.contiguous(memory_format=torch.channels_last)  # a fifth faster on CPUs
        with in_half(image.device, self.half):
            layers = self.model.net(self.model.scaling_layer(image))
        return [F.normalize(layer.float(), dim=1, eps=1e-10) for layer in layers]

    def compare(
        self, features: list[Tensor], target: list[Tensor], weight: Tensor | None = None
    ) -> Tensor:
        """LPIPS between two sets of features, [B].

        Args:
            features, target: from `features`; B may be 1 in either.
            weight: [B, 1, H, W] in [0, 1], where to compare; everywhere if None.
        """
        total = torch.zeros(())
        for index, (found, wanted) in enumerate(zip(features, target)):
            difference = self.model.lins[index]((found - wanted) ** 2)  # [B, 1, h, w]
            if weight is None:
                total = total + difference.mean((1, 2, 3))
                continue
            share = F.interpolate(weight, size=difference.shape[-2:], mode="area")
            total = total + (share * difference).sum((1, 2, 3)) / share.sum((1, 2, 3)).clamp(
                min=1e-6
            )
        return total

    def forward(self, image: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """LPIPS of two images, [B]; see `compare`."""
        return self.compare(self.features(image), self.features(target), weight)


class Looks:
    """LPIPS by each backbone that a stage may look with."""

    def __init__(self, device: torch.device) -> None:
        self.measure = Perceptual().to(device)
        """What results are told by, whichever backbone they were sought with."""
        # VGG16 is most of a step of the published methods.
        self.by_net = {"alex": self.measure, "vgg": Perceptual("vgg", half=True).to(device)}

    def __getitem__(self, backbone: str) -> Perceptual:
        return self.by_net[backbone]


def read_model(net: str, path: Path) -> nn.Module:
    """The `lpips` package's network over a stored backbone, frozen.

    Raises:
        WeightsError: the backbone does not fit.
    """
    import lpips

    # The package announces itself on stdout and warns of torchvision's old names; both are beside the point.
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    faults = [name for name in missing if name.startswith("net.")] + unexpected
    if faults:
        raise WeightsError(
            f"the LPIPS backbone `{path.name}` does not fit: {faults[0]}", "reinstall hfinv"
        )
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)
