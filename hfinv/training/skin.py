"""The paint of a synthetic head: skin, scalp, beard, lips, cloth, eyes, mouth; linear albedo, before light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hfinv.training.factors import SKINS, Named
from hfinv.training.morph import base
from hfinv.training.surface import Subdivision

DATA = Path(__file__).parent / "data"
DETAIL_STEP = 1 / 48
"""Natural logarithm of one unit of the stored details."""
SATURATION = 0.86
"""The portraits are more colourful than skin under white light."""
EFFECTS = 5
"""Label effects before the components: mean, male, age, African, East Asian."""
GREY = np.array([0.42, 0.41, 0.40])
"""Linear albedo of grey hair."""
CLOTH_OFFSET = 0.05
"""Decimetres that cloth stands off the skin."""


def decoded(codes: np.ndarray, plan: Subdivision) -> np.ndarray:
    """[C, V, 3] int8: undo the edge prediction that keeps skins.npz small."""
    residual = np.ascontiguousarray(codes.transpose(2, 0, 1)).astype(np.int16)  # [V, C, 3]
    done = len(residual) - sum(len(edges) for edges in plan.edges)
    for edges in plan.edges:
        guess = (residual[edges[:, 0]] + residual[edges[:, 1]]) >> 1
        residual[done : done + len(edges)] = (residual[done : done + len(edges)] + guess).astype(
            np.int8
        )
        done += len(edges)
    return residual.transpose(1, 0, 2).astype(np.int8)


@dataclass(frozen=True)
class Skins:
    """The stored skins."""

    fields: np.ndarray
    """[EFFECTS + SKINS, V * 3] float32, sRGB values: label effects, then unit-variance components."""
    held_out: dict[str, int]
    """Row of `own` and, from the end, of `details` of each skin that no training head wears."""
    own: np.ndarray
    """[H, V * 3] float32, sRGB values of those skins."""
    front: np.ndarray
    """[F] refined vertices that have details."""
    mean_detail: np.ndarray
    """[F, 3] float32, log sRGB: what all faces share, such as brows and lips."""
    details: np.ndarray
    """[N + H, F] int8, multiples of DETAIL_STEP: brows, wrinkles and pores of single faces."""
    labels: np.ndarray
    """[N + H, EFFECTS]."""
    places: np.ndarray
    """[N + H, SKINS], each skin in the components."""


@cache
def skins() -> Skins:
    """The stored skins; read once."""
    with np.load(DATA / "skins.npz") as stored:
        raw = {name: stored[name] for name in stored}
    codes = decoded(raw["codes"], base().plan)
    fields = (codes.astype(np.float32) * raw["scales"][:, None, None]).reshape(len(codes), -1)
    known = EFFECTS + SKINS
    held_out = raw["names"][len(raw["names"]) - (len(fields) - known) :]
    return Skins(
        fields=fields[:known],
        held_out={str(name): k for k, name in enumerate(held_out)},
        own=fields[known:],
        front=raw["front"],
        mean_detail=raw["mean_detail"].astype(np.float32) * DETAIL_STEP,
        details=raw["details"],
        labels=raw["labels"],
        places=raw["places"],
    )


def held_out_skins() -> tuple[str, ...]:
    """Names of the skins that no training head wears; `build_head(z, skin=name)` puts one on."""
    return tuple(skins().held_out)


@dataclass(frozen=True)
class Zones:
    """Where on the refined body things are painted, measured on the head at rest; [V] each, in [0, 1]."""

    lips: np.ndarray
    brows: np.ndarray
    beard: np.ndarray
    cheeks: np.ndarray
    """Skin without hair, shadow or shine."""
    inside: np.ndarray
    """The mouth's lining and the eye sockets."""
    rest: np.ndarray
    """[V, 3] where the vertex lies on the head at rest; decimetres."""
    neck: np.ndarray
    """Height below which cloth begins, for a middling neckline, less the vertex's own height; decimetres."""


@cache
def zones() -> Zones:
    """The painted zones; placed by the model's landmarks."""
    head = base()
    rest = head.plan.refine(head.rest[: head.body])
    x, y, z = rest.T
    x = np.abs(x)
    lips = ramp(1.15 - (x / 0.27) ** 2 - ((y - 6.595) / 0.115) ** 2, 0.0, 0.5) * ramp(z, 1.30, 1.42)
    brow = np.interp(
        x, [0.05, 0.106, 0.2, 0.34, 0.48, 0.58, 0.7], [7.385, 7.395, 7.415, 7.435, 7.42, 7.37, 7.28]
    )
    brows = (
        np.exp(-(((y - brow) / 0.035) ** 2))
        * ramp(z, 1.1, 1.2)
        * ramp(x, 0.05, 0.1)
        * ramp(-x, -0.66, -0.56)
    )
    cheek = np.interp(
        x, [0, 0.15, 0.25, 0.4, 0.55, 0.66, 0.76], [6.80, 6.78, 6.72, 6.66, 6.80, 7.05, 7.35]
    )
    beard = ramp(cheek - y, 0.0, 0.1) * ramp(y, 6.05, 6.25) * ramp(z, 0.60, 0.78) * (1 - lips)
    beard *= ramp(np.abs(x) + 8 * np.abs(y - 6.42), 0.16, 0.3) * 0.5 + 0.5
    cheeks = np.exp(-(((x - 0.42) / 0.1) ** 2) - ((y - 6.9) / 0.1) ** 2) * (z > 1)
    inside = ramp(0.16 - head.openness, 0.0, 0.08) * ramp(z, 0.6, 0.9) * (y > 6.3)
    neck = 5.80 - 0.30 * (z - 0.15) + 0.4 * ramp(x, 0.55, 1.3) - y
    return Zones(lips, brows, beard, cheeks, inside, rest, neck)


def ramp(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def hair_colour(factors: Named) -> np.ndarray:
    """[3] linear albedo of the hair."""
    african, asian, _ = factors.ancestry
    dark = (
        (0.9 - 0.4 * max(african, asian)) * factors["hair_darkness"]
        + 0.3
        + 1.3 * african
        + 1.0 * asian
    )
    tones = np.log(
        np.array(
            [[0.42, 0.29, 0.16], [0.20, 0.12, 0.065], [0.075, 0.042, 0.024], [0.021, 0.017, 0.0155]]
        )
    )
    place = 3 / (1 + np.exp(-1.3 * dark))
    colour = np.exp([np.interp(place, range(4), tones[:, k]) for k in range(3)])
    red = 1 / (1 + np.exp(-2.2 * (factors["hair_redness"] - 1.5))) * (1 - 0.8 * max(african, asian))
    lightness = colour.mean() / 0.06
    colour = (1 - red) * colour + red * np.array([0.17, 0.055, 0.022]) * min(lightness, 1.5)
    grey = 1 / (1 + np.exp(-2.6 * (factors["hair_grey"] + 3.0 * (factors.age - 0.75))))
    return ((1 - grey) * colour**0.5 + grey * GREY**0.5) ** 2


def skin_albedo(factors: Named, skin: str | None = None) -> np.ndarray:
    """[V, 3] linear albedo of the refined body's bare skin.

    Args:
        factors: the head.
        skin: one of `held_out_skins`, instead of the skin that the factors describe.

    Raises:
        KeyError: there is no such held-out skin.
    """
    stored = skins()
    if skin is not None:
        row = stored.held_out[skin]
        srgb = stored.own[row].copy()
        detail = stored.details[row - len(stored.own)].astype(np.float32)
    else:
        labels, place = complexion(factors)
        srgb = np.concatenate([labels, place]).astype(np.float32) @ stored.fields
        detail = shares(labels, place) @ stored.details[: -len(stored.own)].astype(np.float32)
    srgb = srgb.reshape(-1, 3)
    srgb[stored.front] *= np.exp(stored.mean_detail + DETAIL_STEP * detail[:, None])
    return bare_albedo(srgb)


def complexion(factors: Named) -> tuple[np.ndarray, np.ndarray]:
    """How much of each label effect, [EFFECTS], and of each component, [SKINS], is in a skin."""
    african, asian, _ = factors.ancestry
    labels = np.array([1.0, factors.male, factors.age, african, asian])
    return labels, 0.7 * 3 * np.tanh(factors.many("skin", SKINS) / 3)


def bare_albedo(srgb: np.ndarray) -> np.ndarray:
    """[..., 3] stored sRGB values -> linear albedo, float32."""
    linear = np.clip(srgb, 0.06, 0.97) ** np.float32(2.2)
    grey = linear.mean(-1, keepdims=True)
    return (1.08 * (grey + SATURATION * (linear - grey))).astype(np.float32)


@cache
def cheek_fields() -> np.ndarray:
    """[EFFECTS + SKINS, V, 3]: `Skins.fields` of the cheeks."""
    fields = skins().fields.reshape(EFFECTS + SKINS, -1, 3)
    return np.ascontiguousarray(fields[:, zones().cheeks > 0.5])


def cheek_colour(factors: Named) -> np.ndarray:
    """[3] mean linear albedo of the cheeks, without the details of single faces."""
    mixture = np.concatenate(complexion(factors)).astype(np.float32)
    return bare_albedo(np.tensordot(mixture, cheek_fields(), 1)).mean(0)


def shares(labels: np.ndarray, place: np.ndarray) -> np.ndarray:
    """[N] float32, sum 1: how much of each known skin's details a face has; mostly its nearest one's or two's."""
    stored = skins()
    known = len(stored.labels) - len(stored.own)
    apart = 6 * ((stored.labels[:known] - labels) ** 2 @ np.array([0, 1.5, 3, 1, 1]))
    apart = apart + ((stored.places[:known] - place)[:, :8] ** 2).sum(1)
    weights = np.exp(-0.6 * (apart - apart.min()))
    return (weights / weights.sum()).astype(np.float32)


def body_albedo(factors: Named, covered: np.ndarray, skin: str | None = None) -> np.ndarray:
    """[V, 3] linear albedo of the refined body.

    Args:
        factors: the head.
        covered: [V] in [0, 1], 1 where hair grows on the scalp.
        skin: see `skin_albedo`.
    """
    zone = zones()
    hair = hair_colour(factors)
    colour = skin_albedo(factors, skin)
    red = 0.10 * np.logaddexp(0, 1.5 * factors["lips_red"] + 0.9 * (1 - factors.male)) - 0.05
    colour = colour * np.exp(zone.lips[:, None] * np.array([0.6, -1.6, -1.2]) * red)
    colour = colour * np.exp(-zone.brows * 0.45 * np.tanh(0.6 * factors["brow_darkness"]))[:, None]
    shaven = (
        0.85 * factors.male * (1 - beard_amount(factors)) * zone.beard
    )  # men's mean skin has a shadow
    colour = mixed(colour, np.average(colour, axis=0, weights=zone.cheeks), shaven)
    stubble = (beard_amount(factors) * zone.beard)[:, None] * 0.55
    colour = colour * (1 - stubble) + stubble * hair * 0.7
    colour = mixed(colour, hair * 0.5, 0.8 * covered)
    colour = mixed(colour, np.array([0.09, 0.025, 0.022]), 0.9 * zone.inside)
    return mixed(colour, cloth_colour(factors), clothed(factors))


def mixed(colour: np.ndarray, other: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """[V, 3] colours, by [V] weights replaced by one other colour."""
    return colour + weight[:, None] * (other - colour)


def beard_amount(factors: Named) -> float:
    """0 none, 1 full and dark; hardly any on women."""
    return factors.male**2 / (1 + float(np.exp(-2.0 * (factors["beard"] - 0.7))))


def clothed(factors: Named) -> np.ndarray:
    """[V] in [0, 1]: 1 where the refined body wears cloth."""
    return ramp(zones().neck - 0.10 * np.tanh(0.6 * factors["cloth_neckline"]), -0.03, 0.03)


def cloth_colour(factors: Named) -> np.ndarray:
    """[3] linear albedo of the shirt."""
    light = 0.03 + 0.65 / (1 + np.exp(-1.2 * factors["cloth_lightness"]))
    red, blue = np.tanh(0.5 * factors["cloth_red"]), np.tanh(0.5 * factors["cloth_blue"])
    return np.clip(
        light * np.exp([0.7 * red - 0.2 * blue, -0.45 * red, 0.7 * blue - 0.2 * red]), 0.01, 0.85
    )
