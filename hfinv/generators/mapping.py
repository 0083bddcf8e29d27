"""From named factors to w, for hfinv's own generator.

w has three parts: numbers that are learned from pictures; traits, which are known functions of the factors such as the
colours that skin, hair and cloth have in the head's light; and the weights of the mesh's fields (`hfinv.generators.warp`).
The last two are taught without pictures, on as many heads as one likes, so they hold for heads that no picture shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hfinv.generators.layers import FullyConnected

OPEN = 10.0
"""What an open gate says: much, for a gate is mostly shut, and what depends on it is learned from few heads."""


class Gates(nn.Module):
    """What is there or not: steps of single factors, which a network would have to learn as steep slopes."""

    def __init__(self, factors: Sequence[str], gates: Mapping[str, Sequence[float]]) -> None:
        """
        Args:
            factors: names of z's entries.
            gates: by factor, where its gate is half open, and how steep it is there.

        Raises:
            ValueError: a gate of no factor.
        """
        super().__init__()
        self.names = tuple(gates)
        self.place = [list(factors).index(name) for name in gates]
        steps = torch.tensor([list(step) for step in gates.values()]).reshape(-1, 2)
        self.register_buffer("steps", steps, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """[B, Z] -> [B, Z + gates], z and the gates."""
        middle, slope = self.steps.to(z.dtype).unbind(1)
        return torch.cat([z, OPEN * torch.sigmoid(slope * (z[:, self.place] - middle))], 1)


class FactorNetwork(nn.Module):
    """Factors to numbers: a linear part, so that factors stay directions, and a network for what is not linear."""

    def __init__(self, inputs: int, out: int, hidden: int) -> None:
        super().__init__()
        self.linear = FullyConnected(inputs, out)
        self.fc0 = FullyConnected(inputs, hidden, activation="lrelu")
        self.fc1 = FullyConnected(hidden, hidden, activation="lrelu")
        self.fc2 = FullyConnected(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs] -> [B, out]."""
        return self.linear(x) + self.fc2(self.fc1(self.fc0(x)))


class FactorMapping(FactorNetwork):
    """z to w: what is learned, then traits if there are any, then the weights of a `Warp` if there is one."""

    def __init__(
        self, z_dim: int, w_dim: int, fields: int = 0, traits: int = 0, gates: Gates | None = None
    ) -> None:
        """
        Args:
            z_dim: Z.
            w_dim: D, all parts together.
            fields, traits: how many numbers of w are these.
            gates: of the factors, if they have any.
        """
        learned = w_dim - fields - traits
        gates = gates or Gates((), {})
        inputs = z_dim + len(gates.names)
        super().__init__(inputs, learned, learned)
        self.z_dim, self.learned = z_dim, learned
        self.gates = gates
        self.traits = FactorNetwork(inputs, traits, learned) if traits else None
        self.shape = FactorNetwork(inputs, fields, learned) if fields else None
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.register_buffer("w_std", torch.ones(w_dim))

    def forward(self, z: Tensor) -> Tensor:
        """[B, Z] -> [B, D]."""
        seen = self.gates(z)
        return torch.cat([super().forward(seen), *self._known(seen)], 1)

    def known(self, z: Tensor) -> Tensor:
        """[B, Z] -> [B, traits + fields], the parts of w that are taught without pictures."""
        return torch.cat(self._known(self.gates(z)), 1)

    def teach_known(self, wanted: bool) -> None:
        """Whether those parts learn: pictures of a few heads would only blur what is known."""
        for part in (self.traits, self.shape):
            if part is not None:
                part.requires_grad_(wanted)

    def _known(self, seen: Tensor) -> list[Tensor]:
        return [part(seen) for part in (self.traits, self.shape) if part is not None]

    @torch.no_grad()
    def measure(self, samples: int = 8192) -> None:
        """Set the mean and the spread of w over the prior, from a fixed set of z."""
        z = torch.randn(samples, self.z_dim, generator=torch.Generator().manual_seed(0))
        w = self(z.to(self.w_avg.device))
        self.w_avg.copy_(w.mean(0))
        self.w_std.copy_(w.std(0))
