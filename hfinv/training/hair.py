"""Hair: a few thousand locks combed over the scalp, split into strands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial import cKDTree

from hfinv.training.factors import Named
from hfinv.training.morph import base
from hfinv.training.skin import ramp
from hfinv.training.shade import Density, lock_gloss, lock_light
from hfinv.training.light import Light
from hfinv.training.strands import CHILDREN, Look, Strands, steps, strands, unit
from hfinv.training.surface import vertex_normals

POINTS = 11
"""Along a lock."""
CROWN = np.array([0.0, 8.42, -0.25])
"""The whorl from which hair flows away, decimetres at rest."""
TRAINING_SEED = 11
"""Of the strands of all training heads; another one gives hair that was never trained on."""
BROW = 7.50
"""Height at which a fringe ends."""


@dataclass(frozen=True)
class Style:
    """What the factors say of the hair; lengths in decimetres."""

    length: float
    sides: float
    """Length of the sides relative to the top, in (0, 1]."""
    fringe: float
    """0 combed off the forehead, 1 combed onto it."""
    parting: float
    """x of the parting."""
    volume: float
    """Thickness of the hair's layer."""
    curl: float
    """0 straight, 1 tight."""
    hairline: float
    """Degrees by which the front hairline recedes."""
    tidy: float
    """0 frizzy, 1 sleek."""
    density: float
    """Locks whose order is above it are gone."""
    seed: int
    """Of the strands' random numbers."""


@dataclass(frozen=True)
class Roots:
    """What is the same of every head's locks: places at rest and random numbers; [R] or [R, 3]."""

    rest: np.ndarray
    normal: np.ndarray
    top: np.ndarray
    front: np.ndarray
    side: np.ndarray
    layer: np.ndarray
    """How far out in the volume, in [0, 1]."""
    vary: np.ndarray
    """[R, 4], N(0, 1)."""
    shade: np.ndarray
    """Factor on the colour."""
    seeds: np.ndarray
    """[R, CHILDREN, 6], N(0, 1), of the strands."""


def style_of(factors: Named, hidden: float = 0.0, seed: int = TRAINING_SEED) -> Style:
    """Read the hair factors, with what is usual for women, men, ages and ancestries.

    Args:
        factors: the head.
        hidden: 0 to 1, how much of the hair a covering hides.
        seed: of the strands' random numbers.
    """
    male, age, (african, _, _) = factors.male, factors.age, factors.ancestry
    wish = factors["hair_length"] + 0.75 * (1 - 2 * male)
    curl = factors["hair_curl"] + 1.6 * african - 0.3
    curled = 1 / (1 + np.exp(-1.8 * (curl - 0.8)))
    length = np.interp(wish, [-3, -2, -1, 0, 1, 2, 3], [0.08, 0.16, 0.40, 0.95, 2.1, 3.3, 4.2])
    length = length * (1 - 0.35 * curled)
    short = 1 / (1 + np.exp(2.5 * (length - 1.2)))  # only short hair is cut shorter at the sides
    sides = 1 - short * (0.25 + 0.6 / (1 + np.exp(1.5 * factors["hair_sides"] + 0.8 - 1.6 * male)))
    fringe = 1 / (1 + np.exp(-2.5 * (factors["hair_fringe"] - 0.4)))
    volume = (
        0.11
        * np.exp(0.35 * factors["hair_volume"])
        * (0.45 + 0.55 * np.tanh(length / 0.8))
        * (1 + 1.6 * curled * np.exp(-length / 3))
    )
    recede = factors["hair_line"] + 1.2 * male * age - 1.1
    density = factors["hair_density"] + 0.9 * (1 - male) - 0.5 * male * age + 0.3
    return Style(
        length=float(length),
        sides=float(sides),
        fringe=float(fringe),
        parting=0.35 * float(np.tanh(factors["hair_parting"])),
        volume=float(volume),
        curl=float(curled),
        hairline=9 * float(np.log1p(np.exp(1.5 * recede))),
        tidy=factors.rising("hair_tidy"),
        density=float(np.clip((density + 3.0) / 1.8, 0, 1.3)) * (1 - ramp(hidden, 0.3, 0.8)),
        seed=seed,
    )


@cache
def roots(seed: int) -> Roots:
    """The part of the locks that all heads of a seed share."""
    head = base()
    rest = on_roots(head.rest[: head.body])
    normal = on_roots(vertex_normals(head.rest[: head.body], head.coarse_faces))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    count = len(rest)
    azimuth = np.degrees(np.arctan2(np.abs(rest[:, 0]), rest[:, 2] - 0.25))
    top = ramp(rest[:, 1], 7.75, 8.2)
    return Roots(
        rest=rest,
        normal=normal,
        top=top,
        front=ramp(-azimuth, -75, -35) * ramp(rest[:, 1], 7.7, 8.0),
        side=1 - top,
        layer=rng.uniform(0, 1, count) ** 0.8,
        vary=rng.normal(size=(count, 4)).clip(-2.2, 2.2),
        shade=np.exp(0.07 * rng.normal(size=count)),
        seeds=rng.normal(size=(count, CHILDREN, 6)).clip(-2.2, 2.2).astype(np.float32),
    )


def on_roots(values: np.ndarray) -> np.ndarray:
    """[coarse body, C] -> [R, C] at the roots."""
    head = base()
    return (values[head.coarse_faces[head.root_faces]] * head.root_weights[:, :, None]).sum(1)


def growth(points: np.ndarray, style: Style) -> np.ndarray:
    """[N] in [0, 1]: how much hair is left at points [N, 3] of the head at rest."""
    x, y, z = points.T
    behind = front_angle(points) - np.interp(np.abs(x), *hairline())
    recede = style.hairline * (1 + 0.8 * np.minimum(np.abs(x) / 0.5, 1.2) ** 2)
    kept = 1 - ramp(y, 7.6, 7.75) * (1 - ramp(behind - recede, -6, 3))
    edge = 0.92 - 0.03 * style.hairline  # temples recede with the forehead
    temple = ramp(y, 7.05, 7.2) * (1 - ramp(y, 7.7, 7.95))
    kept = kept * (1 - temple * ramp(z, edge, edge + 0.2))
    order = 0.12 + 0.80 * ramp(y, 7.35, 8.25) * (1 - 0.25 * ramp(-z, 0.2, 0.7))
    return kept * ramp(style.density - order, 0, 0.3)


def front_angle(points: np.ndarray) -> np.ndarray:
    """[N] degrees about the ears' axis of points [N, 3] at rest: 0 forwards, 90 on top."""
    return np.degrees(np.arctan2(points[:, 1] - 7.55, points[:, 2] - 0.25))


@cache
def hairline() -> tuple[np.ndarray, np.ndarray]:
    """|x| in decimetres, and the front angle at which the scalp begins there."""
    rest = base().plan.refine(base().rest[: base().body])
    edge = rest[(base().scalp > 0.3) & (rest[:, 1] > 7.6)]
    x, angle = np.abs(edge[:, 0]), front_angle(edge)
    centres = np.arange(0.0, 0.76, 0.075)
    return centres, np.array([np.percentile(angle[np.abs(x - c) < 0.05], 1) for c in centres])


def grow(body: np.ndarray, style: Style) -> tuple[np.ndarray, np.ndarray]:
    """Grow the locks on a head.

    Args:
        body: [V, 3], the coarse body, decimetres.
        style: the hair.

    Returns:
        points [L, POINTS, 3] and the indices [L] of the roots that have a lock.
    """
    root = roots(style.seed)
    left = growth(root.rest, style)
    alive = np.flatnonzero(left > 0.02)
    left = np.maximum(ramp(left - 0.4 * root.layer, 0, 0.6), 0.01)  # hair thins out, no edge
    skin = Collider(body)
    start = on_roots(body)[alive]
    normal = on_roots(skin.normals)[alive]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    length = lock_lengths(style)[alive] * left[alive]
    step = (length / (POINTS - 1))[:, None]
    layer = root.layer[alive]
    lift = 0.10 + 0.6 * style.curl + 0.6 * np.exp(-style.length / 0.3)
    whorl = np.linalg.norm(root.rest[alive] - CROWN - [style.parting, 0, 0], axis=1)
    normal = (
        normal * (0.15 + 0.85 * ramp(whorl, 0.15, 0.45))[:, None]
    )  # no tuft where the flow begins
    loose = 0.04 + 0.06 * style.curl + 0.08 * np.exp(-style.length / 0.5)
    heading = unit(combing(style)[alive] + lift * normal + loose * root.vary[alive, :3])
    aim = heading
    place = start - 0.02 * normal
    free = BROW + 0.08 + 0.4 * (1 - fringed(style)[alive])
    chain = [place]
    for k in range(1, POINTS):
        t = k / (POINTS - 1)
        fall = (
            np.array([0, -1.0, 0])
            * np.minimum(step, 0.6)
            * (3.2 - 2.4 * style.curl * np.exp(-style.length / 4))
        )
        hold = max(0.0, 1 - 2.0 * t) * (0.10 + 0.25 * style.curl)
        heading = unit(heading + hold * aim + fall)
        place, heading = skin.push(
            place + step * heading, heading, style.volume * layer * min(1.0, 2.5 * t)
        )
        place, heading = off_face(
            place, heading, root.rest[alive, 0] - style.parting, layer, step[:, 0], free
        )
        chain.append(place)
    return np.stack(chain, 1), alive


class Collider:
    """Keeps points outside the body."""

    def __init__(self, body: np.ndarray) -> None:
        self.vertices = body
        self.ear = ears()
        sideways = np.sign(body[:, :1]) * np.array(
            [1.0, 0.0, -0.2]
        )  # hair slides over an ear's folds
        normals = vertex_normals(body, base().coarse_faces)
        self.normals = unit(normals + self.ear[:, None] * (sideways - normals))
        self.outer = outside()
        self.tree = cKDTree(body[self.outer])

    def push(
        self, points: np.ndarray, heading: np.ndarray, gap: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Move points [N, 3] to at least `gap` [N] off the skin; headings [N, 3] then slide along it."""
        distance, near = self.tree.query(points, k=3)
        weight = 1 / (distance + 0.02) ** 2
        weight = (weight / weight.sum(1, keepdims=True))[:, :, None]
        near = self.outer[near]
        normal = unit((self.normals[near] * weight).sum(1))
        height = ((points - (self.vertices[near] * weight).sum(1)) * normal).sum(1)
        gap = gap * (1 - 0.7 * (self.ear[near] * weight[:, :, 0]).sum(1))
        lack = np.where((distance[:, 0] < 0.7) | (height < 0), gap - height, -1.0)
        pushed = np.clip(lack, 0, 0.3)[:, None] * normal
        into = np.minimum((heading * normal).sum(1), 0) * ramp(lack, -0.03, 0.03)
        return points + pushed, unit(heading - into[:, None] * normal)


@cache
def ears() -> np.ndarray:
    """[V] in [0, 1]: 1 on the ears of the coarse body."""
    x, y, z = base().rest[: base().body].T
    return (
        ramp(np.abs(x), 0.70, 0.76)
        * ramp(y, 6.75, 6.85)
        * ramp(-y, -7.65, -7.5)
        * ramp(z, -0.1, 0.1)
    )


@cache
def outside() -> np.ndarray:
    """Coarse body vertices that hair can touch: not the mouth's lining, not the eye sockets."""
    head = base()
    return np.flatnonzero(head.openness[: head.body] > 0.22)


def lock_lengths(style: Style) -> np.ndarray:
    """[R] decimetres."""
    root = roots(style.seed)
    length = style.length * (1 + 0.12 * root.vary[:, 3]).clip(0.6, 1.4)
    length = length * (1 - (1 - style.sides) * root.side)
    level = length - 0.75 * np.maximum(
        8.3 - root.rest[:, 1], 0
    )  # scissors cut at one height, less or more
    length = 0.3 * length + 0.7 * np.logaddexp(level / 0.1, 0.35 * length / 0.1) * 0.1
    onto = ramp(fringed(style), 0.05, 0.25)
    reach = 0.95 * np.maximum(root.rest[:, 1] - BROW, 0.1) + 0.72 * np.maximum(
        1.05 - root.rest[:, 2], 0
    )
    reach = reach * (1 + 0.08 * root.vary[:, 3])
    cut = -0.05 * np.logaddexp(-length / 0.05, -reach / 0.05)  # a smooth minimum
    length = length + onto * (cut - length)
    # The parting is a bare line, so that no lock has to choose its side of the face.
    line = (1 - onto) * ramp(root.rest[:, 2], 0.2, 0.6) * ramp(length, 0.4, 1.0)
    length = length * (1 - line * (1 - ramp(np.abs(root.rest[:, 0] - style.parting), 0.0, 0.05)))
    return np.maximum(length, 0.03)


def fringed(style: Style) -> np.ndarray:
    """[R] in [0, 1]: how much each root's hair is combed onto the forehead."""
    return style.fringe * roots(style.seed).front


def combing(style: Style) -> np.ndarray:
    """[R, 3] unit directions along the scalp in which locks set out."""
    root = roots(style.seed)
    away = unit(root.rest - CROWN - [style.parting, 0, 0])
    # Hair before the crown flows on to the fringe, or all goes back: flows that met would stand up.
    away[:, 2] = np.where(away[:, 2] > 0, style.fringe * away[:, 2], away[:, 2])
    across = np.tanh((root.rest[:, 0] - style.parting) * 4)
    aside = np.stack([across, np.full(len(across), -0.1), np.full(len(across), -0.45)], 1)
    onto = np.stack([0.35 * across, np.full(len(across), -0.2), np.ones(len(across))], 1)
    front = style.fringe * onto + (1 - style.fringe) * aside
    blend = (root.front * 0.95)[:, None]
    down = np.array([0, -0.6, -0.15]) * root.side[:, None]
    flow = (1 - blend) * (
        away
        + down
        + np.array([0, 0, -0.25 - 0.3 * (1 - style.fringe)])
        + 0.45 * aside * (root.top * ramp(root.rest[:, 2], -0.1, 0.6))[:, None]
    ) + blend * front
    return unit(flow - (flow * root.normal).sum(1, keepdims=True) * root.normal)


def off_face(
    place: np.ndarray,
    heading: np.ndarray,
    side: np.ndarray,
    layer: np.ndarray,
    step: np.ndarray,
    free: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw hair that hangs before the face, lower than `free`, to its side of the parting."""
    x, y, z = place.T
    wanted = ramp(free - y, 0.0, 0.3) * (0.66 + 0.09 * layer) * ramp(z, 0.70, 1.0)
    sign = np.tanh(side * 30)
    aside = np.clip(wanted - x * sign, 0, 1.5 * step + 0.04) * np.abs(sign)
    place = place + np.stack([sign * aside, 0 * aside, -0.7 * aside], 1)
    pull = aside / np.maximum(step, 0.01) * 0.35
    return place, unit(heading + np.stack([sign * pull, 0 * pull, -0.9 * pull], 1))


def look_of(style: Style) -> Look:
    """How the strands of a style leave their locks."""
    coil = style.curl * min(1.0, 0.3 + style.length / 1.5)
    return Look(
        spread=0.034 + 0.012 * (1 - style.tidy),
        clump=0.35 + 0.35 * style.curl,
        frizz=(0.02 + 0.05 * (1 - style.tidy)) * min(1.0, style.length),
        curl=0.006 + 0.055 * coil,
        pitch=0.9 - 0.62 * style.curl,
        ragged=0.35,
    )


def drawn(
    points: np.ndarray,
    chosen: np.ndarray,
    style: Style,
    colour: np.ndarray,
    light: Light,
    field: Density,
) -> Strands:
    """Strands in final linear light.

    Args:
        points: [L, POINTS, 3] locks, decimetres.
        chosen: [L] their roots.
        style: the hair.
        colour: [3] linear albedo.
        light: sun and sky.
        field: how dense the hair is.
    """
    root = roots(style.seed)
    lit = lock_light(points.astype(np.float32), light, field) * colour.astype(np.float32)
    gloss = lock_gloss(points.astype(np.float32), light, field)
    sheen = (0.026 + 0.22 * colour) * (1 - 0.75 * style.curl) * (0.5 + 0.8 * style.tidy)
    lit = (lit + gloss[..., None] * sheen * light.sun) * root.shade[chosen][:, None, None]
    length = np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1)
    count = steps(style.length, style.curl)
    return strands(points, lit, length, root.seeds[chosen], look_of(style), count)
