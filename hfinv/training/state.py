"""What a training run is at one step, and its checkpoints: one safetensors file each, never pickled."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hfinv.errors import WeightsError
from hfinv.generators.heads import PLANES, Heads
from hfinv.image import written_aside

READERS = tuple(
    f"mapping.{part}{layer}.weight"
    for part in ("", "shape.", "traits.")
    for layer in ("linear", "fc0")
)
"""Tensors of the generator with one column a factor, then one a gate, [D, Z + gates]."""
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What Adam knows of each tensor."""


@dataclass
class State:
    """Everything a checkpoint holds."""

    generator: Heads
    average: Heads
    """Running average of the generator's weights: what is exported."""
    optimiser: torch.optim.Optimizer
    step: int = 0
    extras: dict[str, tuple[nn.Module, torch.optim.Optimizer]] = field(default_factory=dict)
    """Other networks in training with their optimisers: `discriminator`, `codes`."""

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.generator.shared.device

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Prefix of the tensors in a checkpoint, and network."""
        yield from (("generator", self.generator), ("average", self.average))
        yield from ((name, module) for name, (module, _) in self.extras.items())

    def optimisers(self) -> Iterator[tuple[str, nn.Module, torch.optim.Optimizer]]:
        """Prefix of the moments in a checkpoint, network and optimiser."""
        yield "adam", self.generator, self.optimiser
        yield from ((f"adam_{name}", *pair) for name, pair in self.extras.items())


def save_checkpoint(state: State, out: Path, keep: int) -> Path:
    """Write `checkpoint_STEP.safetensors` aside, rename it, and remove the oldest beyond `keep`."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in state.modules():
        tensors |= {f"{prefix}.{k}": v for k, v in module.state_dict().items()}
    for prefix, module, optimiser in state.optimisers():
        names = [name for name, _ in module.named_parameters()]
        for index, moments in optimiser.state_dict()["state"].items():
            moments = {k: torch.as_tensor(moments[k]) for k in MOMENTS}
            tensors |= {f"{prefix}.{names[index]}.{k}": v for k, v in moments.items()}
    factors = columns(state.generator)
    path = out / f"checkpoint_{state.step:07d}.safetensors"
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with written_aside(path) as aside:
        save_file(tensors, aside, {"step": str(state.step), "factors": json.dumps(factors)})
    for old in sorted(out.glob("checkpoint_*.safetensors"))[:-keep]:
        old.unlink()
    return path


def load_checkpoint(state: State, out: Path) -> bool:
    """Go on from the newest checkpoint in `out`; False if there is none.

    Factors that the checkpoint does not know begin without any effect. A network that the checkpoint lacks, such as
    a discriminator that begins its work later, keeps its fresh weights.

    Raises:
        WeightsError: the checkpoint is of a network of another size.
    """
    found = sorted(out.glob("checkpoint_*.safetensors"))
    if not found:
        return False
    tensors = load_file(found[-1])
    with safe_open(found[-1], "pt") as file:
        notes = file.metadata()
    own = columns(state.generator)
    for prefix in ("generator", "average", "adam"):
        for name in [n for n in tensors if n.startswith(f"{prefix}.mapping.")]:
            reader = name.removeprefix(f"{prefix}.")
            if prefix == "adam":
                reader, _, _ = reader.rpartition(".")
            if reader in READERS and tensors[name].ndim == 2:
                known = json.loads(notes.get("factors", "null"))
                known = known or own[: tensors[name].shape[1]]
                power = {"exp_avg": -1, "exp_avg_sq": -2}.get(name.rpartition(".")[2], 1)
                tensors[name] = widened(tensors[name], known, own, power)
    try:
        for prefix, module in state.modules():
            mine = _below(tensors, prefix)
            if mine:
                module.load_state_dict(mine)
    except RuntimeError as error:
        raise WeightsError(
            f"`{found[-1]}` does not fit the network of these settings",
            "train into another folder with `--out`, or give the settings it was begun with",
        ) from error
    for prefix, module, optimiser in state.optimisers():
        _restore(optimiser, module, _below(tensors, prefix))
    state.step = int(notes["step"])
    return True


def columns(generator: Heads) -> list[str]:
    """What the columns of `READERS` read: factors, then gates."""
    gates = [f"gate of {name}" for name in generator.mapping.gates.names]
    return [factor.name for factor in generator.card.factors] + gates


def widened(weight: Tensor, known: list[str], wanted: list[str], power: int = 1) -> Tensor:
    """Columns by factor name: those that were known are moved to their new places, new ones are 0.

    An equalised layer divides by the root of its inputs' number, so the old columns are scaled to keep what they do.

    Args:
        weight: [D, Z].
        known: Z names.
        wanted: names of the new columns.
        power: of that scale: 1 for weights, -1 and -2 for the first and second moment of their gradient.
    """
    if known == wanted:
        return weight
    scale = math.sqrt(len(wanted) / len(known)) ** power
    place = {name: column for column, name in enumerate(known)}
    out = weight.new_zeros(weight.shape[0], len(wanted))
    for column, name in enumerate(wanted):
        if name in place:
            out[:, column] = scale * weight[:, place[name]]
    return out


def adopt(generator: Heads, given: Heads) -> None:
    """Take the weights of a finished generator, factor by factor; a displacement that it lacks keeps its own, and so do
    the mesh's fields. A palette that it lacks begins without effect.

    Raises:
        WeightsError: it is of another size.
    """
    known, own = columns(given), columns(generator)
    tail = 0 if given.warp is None else len(given.warp.fields)
    found, weights = given.state_dict(), generator.state_dict()
    for name, value in found.items():
        if name.startswith("warp."):
            continue  # of the mesh, and not learnt
        value = widened(value, known, own) if name in READERS else value
        if generator.palette is not None and given.palette is None and makes_planes(name):
            value = with_masks(value, generator.palette.parts)
        weights[name] = with_shape(value, weights[name], tail) if name in weights else value
    try:
        generator.load_state_dict(weights)
    except RuntimeError as error:
        raise WeightsError(
            f"the generator `{given.card.name}` does not fit the network of these settings",
            "leave `start` out, or set `network` to its size",
        ) from error


def with_shape(value: Tensor, own: Tensor, tail: int) -> Tensor:
    """What reads w, or is measured of it, made to fit a w that says more.

    Traits come before the weights of a `Warp`, and these come last: new numbers begin without effect, and equalised layers
    divide by the root of their width.

    Args:
        value: a tensor of the generator begun from.
        own: the same of the new one.
        tail: how many of the old w's last numbers stay the last.
    """
    more = own.shape[-1] - value.shape[-1]
    if value.dim() > 2 or more <= 0 or own.shape[:-1] != value.shape[:-1]:
        return value
    middle = value.shape[-1] - tail
    new = own[..., middle : middle + more]
    if value.dim() == 2:
        value, new = value * math.sqrt(own.shape[1] / value.shape[1]), torch.zeros_like(new)
    return torch.cat([value[..., :middle], new, value[..., middle:]], -1)


def makes_planes(name: str) -> bool:
    """Whether that tensor has an entry for each channel of the planes."""
    image = name.startswith("backbone.") and name.endswith((".torgb.weight", ".torgb.bias"))
    return image or name == "shared"


def with_masks(value: Tensor, masks: int) -> Tensor:
    """Such a tensor, [1, P * C, h, h] or [P * C, ...], with room for a palette's masks after each plane's C channels."""
    axis = 1 if value.dim() == 4 and len(value) == 1 else 0
    planes = value.unflatten(axis, (PLANES, -1))
    empty = torch.zeros_like(planes.narrow(axis + 1, 0, masks))
    return torch.cat([planes, empty], axis + 1).flatten(axis, axis + 1)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = prefix + "."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _restore(
    optimiser: torch.optim.Optimizer, module: nn.Module, stored: dict[str, Tensor]
) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for index, (name, _) in enumerate(module.named_parameters()):
        mine = {k: stored[f"{name}.{k}"] for k in MOMENTS if f"{name}.{k}" in stored}
        if len(mine) == len(MOMENTS):
            moments[index] = mine
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
