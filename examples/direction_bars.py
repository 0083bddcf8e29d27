"""Whether trained directions find again what the bundled generator has labels for.

    pip install -e '.[test,directions]'
    python examples/direction_bars.py
    python examples/direction_bars.py --scorer smile      # ten minutes: 2000 heads are drawn and looked at

A support vector machine gets samples of the generator with the attribute's score alone, once from the labels themselves and,
with --scorer, from what landmarks measure. Printed is the cosine of its direction with the labelled one.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F

from hfinv.directions import COUNTS, Wanted, direction_from
from hfinv.directions.boundary import extremes, separate
from hfinv.directions.space import space_of
from hfinv.generators import load_generator
from hfinv.generators.base import Generator
from hfinv.generators.directions import directions
from hfinv.generators.draws import latents


def from_labels(generator: Generator, name: str, samples: int, keep: int) -> torch.Tensor:
    """[D], the direction that a boundary between the heads with the least and the most of a factor gives."""
    names = [factor.name for factor in generator.card.factors]
    z, w = latents(generator, samples, torch.Generator().manual_seed(1))
    space = space_of(generator)
    few, many = extremes(z[:, names.index(name)].numpy(), keep)
    low, high = (space.inside(w[side]).double().numpy() for side in (few, many))
    return space.direction(torch.from_numpy(separate(low, high, 0).unit).float())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--generator", default="heads", help="bundled name or file")
    parser.add_argument("--scorer", help="also one of hfinv.directions.SCORERS, such as smile")
    parser.add_argument("--names", nargs="+", default=["smile", "age"], help="labelled factors")
    given = parser.parse_args()
    generator = load_generator(given.generator)
    labelled = directions(generator)
    for name in given.names:
        truth = labelled.vectors[labelled.index(name)]
        for samples, keep in (COUNTS["cpu"], (20_000, 1_000)):
            found = from_labels(generator, name, samples, keep)
            cosine = F.cosine_similarity(found, truth, 0)
            print(f"{name:10} by its label, {keep} of {samples} kept at either end: {cosine:.3f}")
    if given.scorer:
        found = direction_from(generator, Wanted(given.scorer, given.scorer))
        for name in given.names:
            cosine = F.cosine_similarity(found.vector, labelled.vectors[labelled.index(name)], 0)
            print(f"{name:10} by the scorer {given.scorer}: {cosine:.3f}")


if __name__ == "__main__":
    main()
