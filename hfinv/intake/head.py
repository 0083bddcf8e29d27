"""The deformable head behind the pose: ICT-FaceKit at the 468 landmarks, and how it lies in EG3D's world."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hfinv.intake import assets

EXPRESSION_SPREAD = 0.25
"""Standard deviation of an expression's strength, which is in [0, 1]; an identity's is 1."""
IDENTITY_LIMIT = 3.0


@dataclass(frozen=True)
class HeadModel:
    """In centimetres: x to the subject's left, y up, z forward."""

    neutral: Tensor
    """[468, 3] float64."""
    shapes: Tensor
    """[K, 468, 3] float64, first identities, then expressions."""
    identities: int

    @property
    def precision(self) -> Tensor:
        """[K], one over the prior variance of each shape's strength."""
        spread = self.shapes.new_full((len(self.shapes),), EXPRESSION_SPREAD)
        spread[: self.identities] = 1.0
        return spread**-2

    def clamp(self, strengths: Tensor) -> Tensor:
        """[K] -> [K], to where the model is believable."""
        identity, expression = strengths.tensor_split([self.identities])
        return torch.cat([identity.clamp(-IDENTITY_LIMIT, IDENTITY_LIMIT), expression.clamp(0, 1)])


@dataclass(frozen=True)
class Frame:
    """How the head model lies in EG3D's world."""

    scale: float
    """World units per centimetre."""
    turn: Tensor
    """[3, 3], about x."""
    origin: Tensor
    """[3], of the model, in world units."""


@lru_cache(maxsize=1)
def head_model() -> HeadModel:
    """The bundled head; read once."""
    with np.load(assets.path("ict468.npz"), allow_pickle=False) as file:
        neutral, shapes = (torch.from_numpy(file[k]).double() for k in ("base", "basis"))
        return HeadModel(neutral, shapes, int(file["nid"]))


@lru_cache(maxsize=1)
def partners() -> np.ndarray:
    """[468], the landmark on the other side of the face of each one."""
    neutral = head_model().neutral
    mirrored = neutral * neutral.new_tensor([-1.0, 1.0, 1.0])
    return torch.cdist(neutral, mirrored).argmin(1).numpy()


@lru_cache(maxsize=1)
def frame() -> Frame:
    """Measured on EG3D's own crops and labels; see the NOTICE beside the file."""
    stored = json.loads(assets.path("frame.json").read_text())
    angle = math.radians(stored["phi_deg"])
    cos, sin = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], dtype=torch.float64)
    return Frame(stored["s_per_cm"], turn, torch.tensor(stored["t0"], dtype=torch.float64))


def to_world(points: Tensor) -> Tensor:
    """The head model's [..., 3] in centimetres -> EG3D's world, float64.

    A camera that `pose.camera_of` moved to EG3D's distance sees this world scaled by
    FFHQ_RADIUS over the distance it had.
    """
    return frame().scale * points.double() @ frame().turn.mT + frame().origin
