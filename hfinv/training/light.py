"""View-independent light: a sky of nine spherical harmonics and a sun, then sRGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hfinv.training.factors import Named

FLOOR = 0.18
"""No side of a head is darker than this part of white light."""


def light_coefficients(factors: Named) -> np.ndarray:
    """[9, 3]: irradiance over 1, y, z, x, xy, yz, 3z^2 - 1, xz, x^2 - y^2 of the normal; about 1 to the front."""
    t = {
        k: float(np.tanh(factors[f"light_{k}"] / 2.0))
        for k in ("right", "above", "front", "rim", "diagonal")
    }
    coefficients = np.zeros(9)
    coefficients[0] = 0.70
    coefficients[1] = 0.20 + 0.18 * t["above"]
    coefficients[2] = 0.30 + 0.16 * t["front"]
    coefficients[3] = 0.42 * t["right"]
    coefficients[4] = 0.10 * t["diagonal"]
    coefficients[6] = -0.05 * t["rim"]
    coefficients[8] = 0.07 * t["rim"]
    warm, tint = 0.10 * np.tanh(factors["light_warm"] / 2), 0.05 * np.tanh(
        factors["light_tint"] / 2
    )
    colour = np.exp(
        0.16 * 3 * np.tanh(factors["light_level"] / 3)
        + np.array([warm - tint / 2, tint, -warm - tint / 2])
    )
    return coefficients[:, None] * colour


def irradiance(coefficients: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """[V, 3] light that falls on unit normals [V, 3]; never below the floor, and smooth there."""
    x, y, z = normals.T
    basis = np.stack(
        [np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], 1
    )
    light = basis.astype(np.float32) @ coefficients.astype(np.float32)
    return FLOOR + 0.05 * np.logaddexp(0, (light - FLOOR) / 0.05)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light, 1 is white -> sRGB in [0, 1] float32; highlights bend instead of clipping."""
    bent = np.where(linear > 0.7, 0.7 + 0.3 * np.tanh((linear - 0.7) / 0.3), linear)
    return (np.clip(bent, 0, 1) ** np.float32(1 / 2.2)).astype(np.float32)


@dataclass(frozen=True)
class Light:
    """What shines on a head."""

    sky: np.ndarray
    """[9, 3], as `light_coefficients`, without the sun's share."""
    sun: np.ndarray
    """[3] colour of the sun, linear."""
    towards: np.ndarray
    """[3] unit, to the sun."""

    def on(self, normals: np.ndarray, open_: np.ndarray, sunny: np.ndarray) -> np.ndarray:
        """[V, 3] light on unit normals [V, 3].

        Args:
            open_: [V] in [0, 1], how much of the sky is seen.
            sunny: [V] in [0, 1], the part of the sun that arrives, times the cosine.
        """
        return irradiance(self.sky, normals) * open_[:, None] + (
            sunny[:, None] * self.sun.astype(np.float32)
        )


def light_of(factors: Named) -> Light:
    """Sun and sky; `light_sun` says which of the two does more."""
    whole = light_coefficients(factors)
    share = 0.12 + 0.62 * factors.rising("light_sun", 1.1, 0.3)
    mean = whole.mean(1)
    towards = np.array([1.25 * mean[3], 0.75 * mean[1] + 0.10, mean[2] + 0.12])
    towards /= np.linalg.norm(towards)
    tint = whole[0] / whole[0].mean() * np.array([1.05, 1.0, 0.93])
    sun = 1.35 * share * tint * (0.75 * mean[0] + np.linalg.norm(mean[1:4]))
    return Light(whole * (1.34 - 0.86 * share), sun, towards)
