"""Pickles as the official classes write them, made without those classes.

A stand-in turns one of our generators, whose tensors have the official names, into objects that pickle the same way:
persistent classes as a call with their source text and state, the others as empty objects with a state, tensors and
numpy numbers by torch's and numpy's own reducers. The names that a pickle mentions are chosen here.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import nn

PLAIN = {
    "renderer": ("training.volumetric_rendering.renderer", "ImportanceRenderer"),
    "ray_sampler": ("training.volumetric_rendering.ray_sampler", "RaySampler"),
    "decoder": ("training.triplane", "OSGDecoder"),
    "decoder.net": ("torch.nn.modules.container", "Sequential"),
    "decoder.net.1": ("torch.nn.modules.activation", "Softplus"),
}
"""Parts that the official code does not make persistent."""
EG3D_AXES = [
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
    [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
]
PANOHEAD_AXES = [*EG3D_AXES[:2], [[0, 1, 0], [0, 0, 1], [1, 0, 0]]]


@dataclass(frozen=True)
class Style:
    """What differs between the versions that wrote a file."""

    protocol: int = 4
    torch2: bool = False
    """Tables of a module are plain dictionaries, not ordered ones."""
    numpy2: bool = False
    """numpy's numbers are of `numpy._core`."""


class EasyDict(dict):
    """Stands in for dnnlib's."""


def reconstruct(meta: dict) -> None:
    """Stands in for the function that persistent objects call."""


class Persistent:
    """An object of a persistent class."""

    def __init__(self, class_name: str, source: str, state: dict) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": class_name,
            "state": state,
        }

    def __reduce__(self) -> tuple:
        return reconstruct, (self.meta,)


class Pickler(pickle._Pickler):
    """Writes the names that it is told."""

    def __init__(self, file: io.BufferedIOBase, style: Style, names: dict) -> None:
        super().__init__(file, style.protocol)
        self.names = {
            EasyDict: ("dnnlib.util", "EasyDict"),
            reconstruct: ("torch_utils.persistence", "_reconstruct_persistent_obj"),
            **names,
        }
        if not style.numpy2:
            scalar = np.float64(1.0).__reduce__()[0]
            self.names[scalar] = ("numpy.core.multiarray", "scalar")

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj not in self.names:
            return super().save_global(obj, name)
        module, name = self.names[obj]
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    dispatch = pickle._Pickler.dispatch | {FunctionType: save_global}


def object_of(
    module: nn.Module, path: str, style: Style, names: dict, extra: dict[str, dict]
) -> Any:
    """A module of ours as the official object of the same place.

    Args:
        module: ours.
        path: its name in the generator, "" for the generator itself.
        style: of the writer.
        names: gets the classes made here.
        extra: more attributes by path.
    """
    table = dict if style.torch2 else OrderedDict
    children = {
        name: object_of(child, f"{path}.{name}".lstrip("."), style, names, extra)
        for name, child in module.named_children()
    }
    attributes = dict(extra.get(path, {}))
    for name in attributes.pop("children", ()):
        children[name] = object_of(nn.Module(), f"{path}.{name}".lstrip("."), style, names, extra)
    state = {
        "training": False,
        "_parameters": table(module._parameters),
        "_buffers": table(module._buffers),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": table(),
        "_forward_hooks": table(),
        "_state_dict_hooks": table(),
        "_modules": table(children),
        "act_gain": np.sqrt(2),
        "weight_gain": np.float32(0.25),
        "_init_args": (),
        "_init_kwargs": {},
        **attributes,
    }
    name = path.rpartition(".")[2]
    if path in PLAIN:
        made = type(f"Plain{name}", (), {})
        names[made] = PLAIN[path]
        thing = made()
        thing.__dict__.update(state)
        return thing
    return Persistent(f"Class_{name}", "import os\nos.system('touch ran')\n" * 60, state)


def official_bytes(
    generator: nn.Module,
    arguments: dict,
    ray_size: int,
    axes: list,
    style: Style = Style(),
    discriminator: nn.Module | None = None,
) -> bytes:
    """The file of a generator, with a second one as G and a discriminator.

    Args:
        generator: ours, with official names.
        arguments: of the official constructor.
        ray_size: the live one.
        axes: [3, 3, 3], of the planes.
        style: of the writer.
        discriminator: any; a small one if None.
    """
    discriminator = discriminator or nn.Sequential(nn.Linear(8, 64))
    live = EasyDict(arguments["rendering_kwargs"])
    root = {
        "children": ["renderer", "ray_sampler"],
        "rendering_kwargs": live,
        "neural_rendering_resolution": ray_size,
        "z_dim": arguments["z_dim"],
        "_init_kwargs": EasyDict(arguments),
        "_last_planes": None,
    }
    extra = {"": root, "renderer": {"plane_axes": torch.tensor(axes, dtype=torch.float32)}}
    names: dict = {}
    if not hasattr(generator, "dataset_label_std"):
        generator.register_buffer("dataset_label_std", torch.ones(25))
    whole = {
        "training_set_kwargs": EasyDict(path="/data/photos.zip", xflip=True),
        "G": object_of(copy.deepcopy(generator), "", style, names, extra),
        "D": object_of(discriminator, "", style, names, {}),
        "G_ema": object_of(generator, "", style, names, extra),
        "augment_pipe": None,
    }
    file = io.BytesIO()
    Pickler(file, style, names).dump(whole)
    del generator.dataset_label_std
    return file.getvalue()


def write_official(path: Path, *args: Any, **settings: Any) -> Path:
    """`official_bytes` as a file; returns its path."""
    path.write_bytes(official_bytes(*args, **settings))
    return path
