"""What the official files say of themselves: from the objects of a pickle to a card and the names of our tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hfinv.camera import FFHQ_FOCAL, look_at
from hfinv.errors import WeightsError
from hfinv.generators.base import Card
from hfinv.generators.builders import Thing
from hfinv.generators.eg3d import LABEL, official_card
from hfinv.generators.panohead import CROP, PanoHeadArchitecture, offset_mapping
from hfinv.generators.stored import Blob, Source, StoredTensor, printable, value
from hfinv.generators.triplane import DECODED, PLANE_ORDERS

IGNORED = {"dataset_label_std"}
"""Tensors that training kept beside the weights."""
MOST_PARTS = 5000
"""Modules and tensors of one generator; an official one has about 300."""
DEEPEST = 12
"""Modules within modules."""
LONGEST_CODE = 1_000_000
"""Bytes of the source text of a class; the official ones have up to 40 thousand."""
MOST_AXES_BYTES = 27 * 8
"""Of three matrices."""
MOST_VALUES = 10_000
"""Values of all arguments together."""
CARS_FOCAL = 1.7074
"""Of EG3D's ShapeNet cameras, image sides."""
FACE_YAW = math.radians(60)
"""What EG3D's photos of faces and cats cover; beyond it a view is guessed."""
LICENCE = "not part of hfinv: the licence that came with the file holds (EG3D and PanoHead: research only)"
UNKNOWN_SIZE = 64
"""The ray size that the official constructor sets, where a file does not tell the one after training."""


@dataclass(frozen=True)
class Found:
    """A generator as it lies in a file."""

    tensors: dict[str, StoredTensor | Tensor]
    """By official name."""
    arguments: dict[str, Any]
    """Of the official constructor, with the live `rendering_kwargs`."""
    ray_size: int
    """The live `neural_rendering_resolution`."""
    plane_axes: Tensor | None = None
    """[3, 3, 3], rows are axes; None if the file does not tell."""
    crops: bool = True
    """Whether the renderer that was trained with cut off the edges of the box; see `PanoHead`."""


def found_in(root: Any, source: Source) -> Found:
    """The generator of an unpickled file: `G_ema` of an official dictionary, or the root itself.

    Raises:
        WeightsError: there is no generator.
    """
    thing = root.get("G_ema") if type(root) is dict else root
    if not isinstance(thing, Thing) or "_modules" not in thing.state:
        raise WeightsError(
            f"`{source.name}` holds no generator",
            "give an official EG3D or PanoHead file, or a state dict with its arguments as JSON beside it",
        )
    tensors = dict(_tensors(thing, source))
    check_tensors(tensors, source)
    arguments = _dictionary(plain(thing.state.get("_init_kwargs", {}), source), source)
    own = _dictionary(arguments.get("rendering_kwargs") or {}, source)
    live = _dictionary(plain(thing.state.get("rendering_kwargs", {}), source), source)
    for key in ("z_dim", "c_dim", "w_dim"):
        arguments.setdefault(key, plain(thing.state.get(key), source))
    arguments["rendering_kwargs"] = own | live
    renderer = thing.state["_modules"].get("renderer")
    axes, crops = None, True
    if isinstance(renderer, Thing):
        axes = _axes(renderer.state.get("plane_axes"), source)
        crops = _mentions(renderer.code, "triplane_crop", source)
    size = plain(thing.state.get("neural_rendering_resolution", UNKNOWN_SIZE), source)
    return Found(tensors, arguments, size, axes, crops)


def check_tensors(tensors: dict[str, StoredTensor | Tensor], source: Source) -> None:
    """Refuse tensors that reach beyond their storages, or that take more memory than the file has bytes.

    Raises:
        WeightsError: the file's few numbers are said to be many.
    """
    stored = [tensor for tensor in tensors.values() if isinstance(tensor, StoredTensor)]
    if len(stored) > MOST_PARTS:
        raise source.refuse(f"it has more than {MOST_PARTS} tensors")
    if sum(tensor.check(source) for tensor in stored) > source.size:
        raise source.refuse("its tensors share their numbers, and are larger than the file")


def _dictionary(found: Any, source: Source) -> dict[str, Any]:
    if type(found) is not dict:
        raise source.damaged("the arguments of its generator are no table")
    return found


def _axes(stored: Any, source: Source) -> Tensor | None:
    if not isinstance(stored, StoredTensor):
        return None
    if stored.shape != (3, 3, 3) or stored.check(source) > MOST_AXES_BYTES:
        raise source.damaged("the axes of its planes are no matrices")
    return stored.read().float()


def _mentions(code: Any, word: str, source: Source) -> bool:
    """Whether a source text has a word; a text that the file does not bring is taken to have it."""
    if isinstance(code, Blob):
        if code.length > LONGEST_CODE:
            raise source.refuse("the code that it brings along is too long")
        return word.encode() in code.read()
    return word in code if type(code) is str else True


def _tensors(root: Thing, source: Source) -> Iterator[tuple[str, StoredTensor]]:
    """The state dict: parameters and persistent buffers of all modules, by name."""
    waiting, seen = [("", root, 0)], 0
    while waiting:
        prefix, thing, depth = waiting.pop(0)
        seen += 1
        if depth > DEEPEST or seen > MOST_PARTS:
            raise source.refuse("its modules have no end")
        hidden = thing.state.get("_non_persistent_buffers_set") or set()
        if type(hidden) not in (set, list, tuple):
            raise source.damaged(f"the hidden buffers of a {thing.kind} are no names")
        tables = {kind: _table(thing, kind, source) for kind in TABLES}
        seen += sum(map(len, tables.values())) + len(hidden)
        if seen > MOST_PARTS:  # a table that is empty but for its names takes time as well
            raise source.refuse("its modules have no end")
        for kind in ("_parameters", "_buffers"):
            for name, tensor in tables[kind].items():
                if tensor is None or (kind == "_buffers" and name in hidden):
                    continue
                if not isinstance(tensor, StoredTensor):
                    raise source.damaged(f"`{prefix}{name}` is not a tensor")
                if name not in IGNORED:
                    yield prefix + name, tensor
        for name, child in tables["_modules"].items():
            if isinstance(child, Thing):
                waiting.append((f"{prefix}{name}.", child, depth + 1))


TABLES = ("_parameters", "_buffers", "_modules")


def _table(thing: Thing, kind: str, source: Source) -> dict[str, Any]:
    """What a module has of a kind, by name."""
    table = thing.state.get(kind, {})
    if type(table) is not dict or len(table) > MOST_PARTS:
        raise source.damaged(f"the {kind} of a {thing.kind} are no table")
    if not all(type(name) is str for name in table):
        raise source.damaged(f"the {kind} of a {thing.kind} have no names")
    return table


def plain(value: Any, source: Source) -> Any:
    """A copy that JSON can hold; anything else in it becomes None.

    Raises:
        WeightsError: it has no end.
    """
    return _copied(value, source, 0, iter(range(MOST_VALUES)))


def _copied(value: Any, source: Source, depth: int, left: Iterator[int]) -> Any:
    """`plain` of a value so deep in another; each takes one of what is left of all values."""
    if depth > DEEPEST or next(left, None) is None:
        raise source.refuse("its arguments have no end")
    if type(value) is dict:
        return {str(key): _copied(item, source, depth + 1, left) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [_copied(item, source, depth + 1, left) for item in value]
    return value if type(value) in (str, int, float, bool) else None


def card_of(found: Found, name: str) -> Card:
    """The card of an official generator.

    Args:
        found: what the file holds.
        name: of the file, without its ending.

    Raises:
        WeightsError: its arguments do not describe an EG3D or a PanoHead.
    """
    rendering = found.arguments["rendering_kwargs"]
    pano = "triplane_depth" in rendering or "t_mapping.fc0.weight" in found.tensors
    try:
        _check_arguments(found)
        if pano:
            return _panohead_card(found, name)
        order = plane_order(found.plane_axes, "eg3d")
        card = official_card(name, found.arguments, found.ray_size, plane_order=order)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise WeightsError(
            f"the arguments of `{name}` do not describe an EG3D or a PanoHead: {printable(repr(error))}",
            "give an official file, or one that was tuned from it",
        ) from error
    return replace(card, licence=LICENCE, **_domain(card))


LIMITS = {
    "z_dim": (1, 8192),
    "c_dim": (0, 1024),
    "w_dim": (1, 8192),
    "channel_base": (256, 2**20),
    "channel_max": (1, 8192),
    "depth_resolution": (4, 2048),
    "depth_resolution_importance": (0, 2048),
    "triplane_depth": (1, 64),
    "triplane_size": (16, 4096),
    "num_layers": (1, 64),
    "ray size": (4, 2048),
}
"""Least and most of what decides how large a network and its pictures are."""
RANGES = {
    "box_warp": (1e-3, 1e3),
    "avg_camera_radius": (1e-3, 1e3),
    "c_scale": (-1e6, 1e6),
    "decoder_lr_mul": (1e-6, 1e6),
    "sr_num_fp16_res": (0, 100),
    "ray_start": (0, 1e4),
    "ray_end": (0, 1e4),
}
"""Least and most of other numbers."""
FLAGS = (
    "white_back",
    "disparity_space_sampling",
    "sr_antialias",
    "c_gen_conditioning_zero",
    "use_torgb_raw",
    "use_background",
)
CHOICES = {
    "c_dim": (0, LABEL),
    "clamp_mode": ("softplus",),
    "superresolution_noise_mode": ("none", "const", "random"),
    "decoder_activation": tuple(DECODED),
}


def _check_arguments(found: Found) -> None:
    """Refuse what no generator has, before one is built by it."""
    told = found.arguments | found.arguments["rendering_kwargs"]
    told = told | found.arguments.get("mapping_kwargs", {}) | {"ray size": found.ray_size}
    for key, (least, most) in LIMITS.items():
        if key in told and not (type(told[key]) is int and least <= told[key] <= most):
            raise _unfit(key, told[key], f"{least} to {most}")
    ends = [told.get("ray_start"), told.get("ray_end")]
    for key, (least, most) in RANGES.items():
        if key not in told or (key.startswith("ray_") and ends == ["auto", "auto"]):
            continue
        if not (type(told[key]) in (int, float) and least <= told[key] <= most):
            raise _unfit(key, told[key], f"{least:g} to {most:g}")
    for key in FLAGS:
        if told.get(key) not in (None, False, True):
            raise _unfit(key, told[key], "true or false")
    for key, choices in CHOICES.items():
        if key in told and told[key] not in choices:
            raise _unfit(key, told[key], "one of " + ", ".join(map(str, choices)))
    pivot = told.get("avg_camera_pivot", [0, 0, 0])
    if len(pivot) != 3 or not all(type(x) in (int, float) and abs(x) <= 1e3 for x in pivot):
        raise _unfit("avg_camera_pivot", pivot, "three numbers")


def _unfit(key: str, found: Any, expected: str) -> ValueError:
    return ValueError(f"{key} is {printable(repr(found), 60)}, expected {expected}")


@torch.no_grad()
def _mean_offset(found: Found, card: Card) -> tuple[float, float, float]:
    """The offset of the mean z before the frontal camera, which is what a photo's unknown z stands for."""
    arguments = card.arguments
    prefix = "t_mapping."
    held = {k: v for k, v in found.tensors.items() if k.startswith(prefix)}
    if not held:
        return card.offset
    network = offset_mapping(arguments["z_dim"], arguments["c_dim"])
    shapes = {prefix + key: tensor.shape for key, tensor in network.state_dict().items()}
    if shapes != {key: tensor.shape for key, tensor in held.items()}:
        raise ValueError("the network of its camera offset does not fit")
    network.load_state_dict({k.removeprefix(prefix): value(t).float() for k, t in held.items()})
    label = look_at(0.0, 0.0, card.radius, card.pivot, card.focal).label()
    z = torch.zeros(1, arguments["z_dim"])
    offset = network(z, label * arguments["label_scale"])[0, 0]
    if not offset.isfinite().all():
        raise ValueError("the network of its camera offset gives no numbers")
    return tuple(offset.tolist())


def _domain(card: Card) -> dict[str, Any]:
    """What EG3D's four kinds of training photos ask for."""
    if card.radius < 2:
        return {"focal": CARS_FOCAL, "yaw_range": math.pi, "framing": "none"}
    framing = "frontal" if card.pivot[2] < 0 else "eg3d"
    return {"focal": FFHQ_FOCAL, "yaw_range": FACE_YAW, "framing": framing}


def _panohead_card(found: Found, name: str) -> Card:
    rendering = found.arguments["rendering_kwargs"]
    order = plane_order(found.plane_axes, "trigrid")
    card = official_card(name, found.arguments, found.ray_size, plane_order=order)
    architecture = PanoHeadArchitecture(
        **card.arguments,
        plane_depth=rendering["triplane_depth"],
        plane_side=rendering.get("triplane_size", 256),
        activation=rendering.get("decoder_activation", "sigmoid"),
        raw_torgb=bool(rendering.get("use_torgb_raw", False)),
        background=bool(rendering.get("use_background", False)),
        crop=CROP if found.crops else 0.0,
    )
    card = replace(
        card,
        family="panohead",
        arguments=asdict(architecture),
        pivot=(0.0, 0.0, 0.0),  # the one that the file tells was never used
        yaw_range=math.pi,
        framing="panohead",
        backdrop="network" if architecture.background else "plain",
        licence=LICENCE,
    )
    return replace(card, offset=_mean_offset(found, card))


def plane_order(axes: Tensor | None, default: str) -> str:
    """The key of `PLANE_ORDERS` that fits the matrices of a renderer.

    Args:
        axes: [3, 3, 3], of each plane its axes as rows; a point's coordinates on it are the point times the
            inverse. None if a file does not tell.
        default: of the family; it also tells whether the third coordinate counts.

    Raises:
        ValueError: no order fits.
    """
    if axes is None:
        return default
    if axes.shape != (3, 3, 3) or not axes.isfinite().all():
        raise ValueError("the axes of its planes are no matrices")
    inverse, singular = torch.linalg.inv_ex(axes.double())
    if singular.any():
        raise ValueError("the axes of its planes are not those of the world")
    places = inverse.abs().argmax(1)  # [plane, coordinate], which world axis it is
    if not torch.equal(inverse, torch.zeros_like(inverse).scatter(1, places[:, None], 1.0)):
        raise ValueError("the axes of its planes are not those of the world")
    count = len(PLANE_ORDERS[default][0])
    wanted = tuple(tuple(plane[:count]) for plane in places.tolist())
    for name, order in PLANE_ORDERS.items():
        if order == wanted:
            return name
    raise ValueError(f"the order of its planes is {wanted}, which is not known")


@dataclass(frozen=True)
class Official:
    """A file that others publish."""

    family: str
    shows: str
    where: str


EG3D_PAGE = "https://catalog.ngc.nvidia.com/orgs/nvidia/teams/research/models/eg3d"
PANOHEAD_PAGE = "https://github.com/SizheAn/PanoHead"
OFFICIAL = {
    "ffhq512-64": Official("eg3d", "faces, 512 px, 64 rays a side", EG3D_PAGE),
    "ffhq512-128": Official("eg3d", "faces, 512 px, 128 rays a side", EG3D_PAGE),
    "ffhqrebalanced512-64": Official(
        "eg3d", "faces from more sides, 512 px, 64 rays a side", EG3D_PAGE
    ),
    "ffhqrebalanced512-128": Official(
        "eg3d", "faces from more sides, 512 px, 128 rays a side", EG3D_PAGE
    ),
    "afhqcats512-128": Official("eg3d", "cats, 512 px, 128 rays a side", EG3D_PAGE),
    "shapenetcars128-64": Official("eg3d", "cars, 128 px, 64 rays a side", EG3D_PAGE),
    "easy-khair-180-gpc0.8-trans10-025000": Official(
        "panohead", "heads from all around, 512 px, 64 rays a side", PANOHEAD_PAGE
    ),
    "ablation-trigridD-1-025000": Official(
        "panohead", "heads from all around, planes without depth", PANOHEAD_PAGE
    ),
}
"""Checkpoints that are known to fit, by the name of their `.pkl`."""
