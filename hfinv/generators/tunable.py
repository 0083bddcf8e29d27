"""What an inversion may change of a generator, and how that is kept and given back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.errors import WeightsError

VARIABLES = ("planes", "weights", "both")
"""`planes`: an offset that is added to the planes, and the weights that draw them; `weights`: all weights, as PTI;
`both`: the offset and all weights."""


class Tunable(nn.Module):
    """A generator whose planes can carry an offset of one head's own.

    `planes(w_plus)` returns T(w_plus) + offset, so an edit T(w_plus + delta) + offset keeps what the offset holds.
    """

    PLANE_MAKERS: tuple[str, ...] = ()
    """How the names of those weights begin that the planes come from; the others draw them."""

    HALVES: tuple[int, int] | None = None
    """The planes that only the front and only the back of the head are written on, if there are such."""

    MOVES = 0
    """How many of the planes' last channels move points instead of saying what is there."""

    offset: nn.Parameter | None
    """[1, P, C, h, w] without the channels that move points, or None while nothing was added."""

    reach: nn.Parameter | None
    """[1, 1, G, G, G] in [0, 1], by z, y and x over the box: how much of the offset counts at a place of the common head;
    None counts all of it everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("offset", None)
        self.register_parameter("reach", None)
        self.tuned: set[str] = set()
        """Names of the weights that are no longer those of the file."""

    def moved(self, planes: Tensor) -> Tensor:
        """[B, P, C, h, w] -> the same with the offset added, if there is one; with a reach [B, P, 2 C, h, w], the offset's
        channels after the planes' own, for `read_planes` to add where it counts. Channels that move points stay last."""
        if self.offset is None:
            return planes
        if self.reach is None:
            return planes + self.shift()
        own, moves = planes.tensor_split([self.offset.shape[2]], 2)
        return torch.cat([own, self.offset.expand(len(planes), -1, -1, -1, -1), moves], 2)

    def unmoved(self, planes: Tensor) -> Tensor:
        """The planes that `moved` made these of."""
        if self.offset is None:
            return planes
        if self.reach is None:
            return planes - self.shift()
        count = self.offset.shape[2]
        own, _, moves = planes.split([count, count, self.MOVES], 2)
        return torch.cat([own, moves], 2)

    def shift(self) -> Tensor:
        """[1, P, C, h, w], the offset of all channels: texels that move points each on their own would tear the head."""
        return F.pad(self.offset, (0, 0, 0, 0, 0, self.MOVES))

    def limit(self, reach: Tensor) -> None:
        """Let an offset that is not there yet count only as far as `reach` says, [1, 1, G, G, G]."""
        self.reach = nn.Parameter(reach, requires_grad=False)

    def choose(self, variables: str, w_plus: Tensor) -> list[nn.Parameter]:
        """Make the variables of a tuning ready to be changed, and freeze the others.

        Args:
            variables: one of `VARIABLES`.
            w_plus: [1, L, D]; the offset, 0 at first, has the shape of its planes.
        """
        if variables != "weights" and self.offset is None:
            with torch.no_grad():
                planes = self.planes(w_plus)
                self.offset = nn.Parameter(
                    torch.zeros_like(planes[:, :, : planes.shape[2] - self.MOVES])
                )
        free: tuple[str, ...] = {"planes": self.PLANE_MAKERS, "weights": ("offset",)}.get(
            variables, ()
        )
        self.requires_grad_(False)
        for name, weight in self.named_parameters():
            if not (free and name.startswith(free)):
                weight.requires_grad_(name != "reach")
                self.tuned.add(name)
        return [weight for weight in self.parameters() if weight.requires_grad]

    def changes(self) -> dict[str, Tensor]:
        """The tuned weights and the offset by name, in half precision on the CPU."""
        weights = dict(self.named_parameters())
        return {name: weights[name].detach().half().cpu() for name in sorted(self.tuned)}

    @torch.no_grad()
    def change(self, changes: Mapping[str, Tensor]) -> None:
        """Take `changes` of another copy; what they do not name stays. All is frozen afterwards.

        Raises:
            WeightsError: they are of another generator.
        """
        like = next(self.parameters())
        for name in ("offset", "reach"):
            if name in changes and getattr(self, name) is None:
                empty = torch.zeros_like(changes[name], dtype=like.dtype).to(like.device)
                setattr(self, name, nn.Parameter(empty))
        weights = dict(self.named_parameters())
        for name, value in changes.items():
            if name not in weights or weights[name].shape != value.shape:
                raise WeightsError(
                    f"the tuned weights do not fit the generator, `{name}` is another",
                    "use the generator that the run was made with",
                )
            weights[name].copy_(value)
        self.tuned.update(changes)
        self.requires_grad_(False)
