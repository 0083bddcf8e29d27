"""How alike two faces are, by the bundled face descriptor: dlib's ResNet of 29 layers, run in PyTorch.

D. King, "dlib_face_recognition_resnet_model_v1". Portraits of different people lie about 0.85 apart, of one person in
mirror image 0.17; below 0.5 two faces may be called the same. It measures likeness and settles nobody's identity.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from hfinv.errors import WeightsError
from hfinv.image import to_tensor
from hfinv.intake.detect import detect
from hfinv.intake.landmarks import locate
from hfinv.intake.resample import draw

EMBEDDER = "dlib_face_recognition_resnet_model_v1, 128 numbers, Euclidean distance"
"""What a table must say beside a distance."""
WEIGHTS = Path(__file__).parent / "assets" / "face_descriptor.safetensors"
CHIP = 150
"""Side of the picture that the network sees, in pixels."""
PADDING = 0.25
"""Room around the mean face on each side of it, in its own sides."""
POINTS = (263, 362, 33, 133, 2)
"""MediaPipe's outer and inner corners of both eyes and the base of the nose, in the order of `MEAN_FACE`."""
MEAN_FACE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
"""[5, 2], where dlib's chips have them, before padding."""
MEAN_COLOUR = (122.782, 117.001, 104.298)
BLOCKS = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))
"""Channels, blocks, and whether the first of them halves the size."""
LEAST_SCORE, LEAST_PRESENCE = 0.3, 0.5
"""How sure the detector and the landmarks must be of a face, in [0, 1]."""


class Descriptor(nn.Module):
    """Face chips [B, 3, 150, 150] in [-1, 1] -> descriptors [B, 128]; differentiable in its input."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        """
        Args:
            path: the folded convolutions, `w.2i` the kernel and `w.2i+1` the bias of the i-th.

        Raises:
            WeightsError: the file is missing or holds another network.
        """
        super().__init__()
        if not path.is_file():
            raise WeightsError(f"the face descriptor is not at `{path}`", "install hfinv again")
        stored = {name: value.float() for name, value in load_file(path).items()}
        self.halves = [False] + [
            half and k == 0 for _, count, half in BLOCKS for k in range(count)
        ]  # of the stem, then of each block
        names = [f"w.{i}" for i in range(2 * (1 + 2 * (len(self.halves) - 1)))]
        if stored.keys() != {*names, "fc"}:
            raise WeightsError(f"`{path}` is no face descriptor", "install hfinv again")
        self.kernels = nn.ParameterList(stored[name] for name in names)
        self.last = nn.Parameter(stored["fc"])
        self.register_buffer("mean", torch.tensor(MEAN_COLOUR).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, chip: Tensor) -> Tensor:
        """[B, 3, 150, 150] in [-1, 1], RGB -> [B, 128]."""
        x = ((chip + 1) * 127.5 - self.mean) / 256
        x = F.max_pool2d(F.relu(self._convolve(x, 0, stride=2, padding=0)), 3, 2)
        for block, half in enumerate(self.halves[1:]):
            first = 1 + 2 * block
            # dlib pads where it keeps the size, and nowhere else
            inner = self._convolve(x, first, 2 if half else 1, 0 if half else 1)
            inner = self._convolve(F.relu(inner), first + 1, 1, 1)
            x = F.relu(_added(inner, F.avg_pool2d(x, 2, 2) if half else x))
        return x.mean((2, 3)) @ self.last

    def _convolve(self, x: Tensor, index: int, stride: int, padding: int) -> Tensor:
        weight, bias = self.kernels[2 * index], self.kernels[2 * index + 1]
        return F.conv2d(x, weight, bias, stride, padding)


class Identity:
    """Compares faces in pictures."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.network = Descriptor().to(self.device)

    @torch.no_grad()
    def describe(self, picture: np.ndarray, points: np.ndarray | None = None) -> Tensor | None:
        """The descriptor [128] of the surest face.

        Args:
            picture: uint8 [H, W, 3].
            points: [468, 2] in pixels, where it is known; looked for otherwise.

        Returns:
            None if no face is found.
        """
        points = landmarks(picture) if points is None else points
        if points is None:
            return None
        chip = draw(picture, chip_from_picture(points), CHIP)
        return self.network(to_tensor(chip).to(self.device))[0].cpu()

    def distance(self, picture: np.ndarray, truth: np.ndarray, same_camera: bool = True) -> float:
        """Euclidean distance of the descriptors of two pictures; nan if there is no face to compare.

        Args:
            picture: uint8 [H, W, 3].
            truth: uint8 [H, W, 3].
            same_camera: if no face is found in `picture`, it is read where `truth` has one.
        """
        points = landmarks(truth)
        if points is None:
            return float("nan")
        wanted = self.describe(truth, points)
        found = self.describe(picture)
        if found is None and same_camera:
            found = self.describe(picture, points)
        if found is None or wanted is None:
            return float("nan")
        return float((found - wanted).norm())


def landmarks(picture: np.ndarray) -> np.ndarray | None:
    """[468, 2] in pixels, the points of the surest face; None if there is none.

    Args:
        picture: uint8 [H, W, 3].
    """
    seen = [locate(picture, detection) for detection in detect(picture, LEAST_SCORE)]
    seen = [face for face in seen if face.presence >= LEAST_PRESENCE]
    return max(seen, key=lambda face: face.evidence).points if seen else None


def chip_from_picture(points: np.ndarray) -> np.ndarray:
    """The similarity [2, 3] that takes a face's points, [468, 2] in pixels, nearest to the mean face of a chip.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991, in the plane.
    """
    source = points[list(POINTS)]
    target = CHIP * (PADDING + MEAN_FACE) / (1 + 2 * PADDING)
    middle, wanted = source.mean(0), target.mean(0)
    # as complex numbers, a turn with a scale is a factor
    p, q = ((x - x.mean(0)) @ np.array([1, 1j]) for x in (source, target))
    factor = np.vdot(p, q) / np.vdot(p, p).real
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, wanted - linear @ middle])


def _added(x: Tensor, y: Tensor) -> Tensor:
    """The sum, where what one lacks in channels, height or width counts as zeros."""
    size = [max(a, b) for a, b in zip(x.shape[1:], y.shape[1:])]

    def filled(z: Tensor) -> Tensor:
        channels, height, width = (a - b for a, b in zip(size, z.shape[1:]))
        return F.pad(z, (0, width, 0, height, 0, channels))

    return filled(x) + filled(y)
