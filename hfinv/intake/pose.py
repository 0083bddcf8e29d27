"""Landmarks -> camera: a deformable head is laid under the points, and the camera that did it is told in EG3D's frame."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from hfinv.camera import FFHQ_FOCAL, FFHQ_RADIUS, Camera, pinhole
from hfinv.intake.head import HeadModel, frame, head_model
from hfinv.intake.landmarks import OVAL

SIGMA = 25 / 512
"""How far a landmark may lie off, in image sides. Much more than it does: a small value lets the shapes of
the face absorb pitch."""
HUBER = 2.0
"""Sigmas from which on a point pulls no stronger."""
OVAL_WEIGHT = 0.1
"""Of an outline point: the network draws the outline as it looks, not at fixed places of the head."""
ITERATIONS = 30
CONVERGED = 1e-5
"""Relative gain below which the fit stops."""
PLAUSIBLE_CM = (40.0, 250.0)
"""Distance of the camera that a first guess may have."""


@dataclass(frozen=True)
class Fit:
    """A head in front of a camera."""

    rotation: Tensor
    """[3, 3], head to OpenCV camera axes."""
    translation: Tensor
    """[3], of the head in the camera, centimetres."""
    strengths: Tensor
    """[K], how much of each shape."""
    error: float
    """Root mean square distance of the projected points from the landmarks, in image sides; the outline
    counts as little as it does in the fit."""


def fit_head(landmarks: np.ndarray, focal: float = FFHQ_FOCAL) -> Fit:
    """Robust Gauss-Newton over rotation, translation and the head's shapes.

    Args:
        landmarks: [468, 2] in [0, 1], in a crop with the principal point in the middle.
        focal: in image sides.
    """
    problem = _Problem(head_model(), torch.from_numpy(landmarks).double() - 0.5, focal)
    state = _first_guess(problem)
    damping, cost = 1e-3, problem.cost(state)
    for _ in range(ITERATIONS):
        trial = problem.step(state, damping)
        trial_cost = problem.cost(trial)
        if trial_cost < cost:
            converged = cost - trial_cost < CONVERGED * cost
            state, cost, damping = trial, trial_cost, max(damping * 0.3, 1e-6)
            if converged:
                break
        else:
            damping *= 6
            if damping > 1e4:
                break
    return Fit(state.rotation, state.translation, state.strengths, problem.error(state))


def camera_of(fit: Fit, focal: float = FFHQ_FOCAL) -> Camera:
    """The camera in EG3D's frame.

    EG3D puts every camera at the same distance from the world origin. That scales the head about the
    origin, which no picture shows.
    """
    placed = frame()
    rotation = fit.rotation @ placed.turn.mT  # world to camera
    centre = placed.origin - rotation.mT @ (placed.scale * fit.translation)
    cam2world = torch.eye(4, dtype=torch.float64)
    cam2world[:3, :3] = rotation.mT
    cam2world[:3, 3] = centre * (FFHQ_RADIUS / centre.norm())
    return Camera(cam2world[None].float(), pinhole(focal)[None])


def towards_origin(camera: Camera) -> Camera:
    """The camera turned as it is, but looking at the world origin from EG3D's distance, as all of PanoHead's do."""
    cam2world = camera.cam2world.clone()
    cam2world[:, :3, 3] = -FFHQ_RADIUS * cam2world[:, :3, 2]
    return Camera(cam2world, camera.intrinsics)


def _rotation(vector: Tensor) -> Tensor:
    """Axis times angle [3] -> [3, 3]."""
    return torch.linalg.matrix_exp(_cross(vector))


def _cross(vectors: Tensor) -> Tensor:
    """[..., 3] -> [..., 3, 3], M with M @ u = v x u."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, -1).reshape(*vectors.shape, 3)


@dataclass(frozen=True)
class _State:
    rotation: Tensor
    translation: Tensor
    strengths: Tensor


class _Problem:
    """What the fit makes small: (reprojection / sigma) squared, robustly, plus the prior of the shapes."""

    def __init__(self, model: HeadModel, seen: Tensor, focal: float) -> None:
        self.model = model
        self.seen = seen / focal  # [468, 2], on the plane z = 1
        self.scale = focal / SIGMA
        self.columns = model.shapes.permute(1, 2, 0).contiguous()  # [468, 3, K]
        self.weights = torch.ones(len(seen), dtype=torch.float64)
        self.weights[list(OVAL)] = OVAL_WEIGHT
        self.precision = model.precision

    def turned(self, state: _State) -> Tensor:
        """[468, 3], the head turned into the camera's axes, not yet moved."""
        return (self.model.neutral + self.columns @ state.strengths) @ state.rotation.mT

    def residuals(self, points: Tensor) -> Tensor:
        """[468, 3] in the camera -> [468, 2] in sigmas."""
        return (points[:, :2] / points[:, 2:] - self.seen) * self.scale

    def error(self, state: _State) -> float:
        """Weighted root mean square, in image sides."""
        squares = self.residuals(self.turned(state) + state.translation).square().sum(-1)
        return SIGMA * math.sqrt((self.weights @ squares / self.weights.sum()).item())

    def cost(self, state: _State) -> float:
        """Huber's; infinite behind the camera."""
        points = self.turned(state) + state.translation
        if points[:, 2].min() < 1:  # a centimetre
            return math.inf
        distance = self.residuals(points).norm(dim=-1)
        robust = torch.where(distance < HUBER, distance**2, 2 * HUBER * distance - HUBER**2)
        return (self.weights @ robust + self.precision @ state.strengths**2).item()

    def step(self, state: _State, damping: float) -> _State:
        """One damped Gauss-Newton step from there."""
        turned = self.turned(state)
        points = turned + state.translation
        residuals = self.residuals(points)
        jacobian = self.jacobian(state, turned, points)  # [468, 2, 6 + K]
        pull = self.weights * (HUBER / residuals.norm(dim=-1).clamp(min=1e-9)).clamp(max=1)
        weighted = (jacobian * pull[:, None, None]).flatten(0, 1)
        curvature = weighted.mT @ jacobian.flatten(0, 1)
        slope = weighted.mT @ residuals.flatten()
        curvature.diagonal()[6:] += self.precision
        slope[6:] += self.precision * state.strengths
        curvature.diagonal().mul_(1 + damping).add_(1e-12)
        move = -torch.linalg.solve(curvature, slope)
        return _State(
            _rotation(move[:3]) @ state.rotation,
            state.translation + move[3:6],
            self.model.clamp(state.strengths + move[6:]),
        )

    def jacobian(self, state: _State, turned: Tensor, points: Tensor) -> Tensor:
        """[468, 2, 6 + K], of the residuals by turn, shift and shapes."""
        shift = torch.eye(3, dtype=torch.float64).expand(len(points), 3, 3)
        moved = torch.cat([-_cross(turned), shift, state.rotation @ self.columns], -1)
        x, y, z = points[..., None].unbind(1)  # [468, 1] each
        across = [
            moved[:, 0] / z - moved[:, 2] * x / z**2,
            moved[:, 1] / z - moved[:, 2] * y / z**2,
        ]
        return torch.stack(across, 1) * self.scale


def _first_guess(problem: _Problem) -> _State:
    """The neutral head by perspective-n-point; from the front if that answer makes no sense."""
    strengths = torch.zeros(len(problem.model.shapes), dtype=torch.float64)
    found, turn, shift = cv2.solvePnP(
        problem.model.neutral.numpy(),
        problem.seen.numpy(),
        np.eye(3),
        None,
        flags=cv2.SOLVEPNP_SQPNP,
    )
    if found:
        rotation = torch.from_numpy(cv2.Rodrigues(turn)[0])
        translation = torch.from_numpy(shift.ravel())
        near, far = PLAUSIBLE_CM
        if rotation[2, 2] < 0 and near < translation[2] < far:
            return _State(rotation, translation, strengths)
    rotation = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    translation = torch.tensor([0.0, 0.0, sum(PLAUSIBLE_CM) / 2], dtype=torch.float64)
    return _State(rotation, translation, strengths)
