"""What one optimisation step costs, part by part: the bundled generator beside one of EG3D's 512-pixel size.

    python examples/bench_step.py

Prints a table for each kind of step: `latent` wants gradients of the latent only, `tuning` of every weight as well.
Seconds are medians. EG3D's weights are random here, which costs the same as trained ones, and a step of it takes
about half a minute on two CPU cores. Uses CUDA where there is one. Set OMP_NUM_THREADS to compare numbers of cores.
"""

from __future__ import annotations

import statistics
import time

import torch

from hfinv.camera import FFHQ_FOCAL, FFHQ_PIVOT, FFHQ_RADIUS, look_at
from hfinv.generators import load_generator
from hfinv.generators.base import Card, Generator
from hfinv.generators.eg3d import EG3D
from hfinv.perceptual import Perceptual

STEPS = {"heads": 7, "eg3d 512": 3}
"""How many steps are timed of each generator, after one that is not."""
PARTS = ("backbone", "render", "super-resolution", "LPIPS", "backward")


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    generators = {"heads": load_generator("heads"), "eg3d 512": eg3d_512()}
    perceptual = Perceptual().to(device)
    for step in ("latent", "tuning"):
        costs = {
            name: medians(generator.to(device), perceptual, step == "tuning", STEPS[name], device)
            for name, generator in generators.items()
        }
        show(step, costs)


def eg3d_512() -> Generator:
    """EG3D's FFHQ architecture, 512 pixels from 128 x 128 rays of 48 + 48 samples, with random weights."""
    card = Card(
        name="eg3d 512",
        family="eg3d",
        arguments={},  # the architecture's own numbers are the released FFHQ model's
        image_size=512,
        box=1.0,
        radius=FFHQ_RADIUS,
        pivot=FFHQ_PIVOT,
        focal=FFHQ_FOCAL,
        num_ws=14,
        w_dim=512,
        yaw_range=0.7,
    )
    return EG3D(card)


def medians(
    generator: Generator, perceptual: Perceptual, weights: bool, steps: int, device: torch.device
) -> dict[str, float]:
    """Median seconds of each part over `steps` steps, after one step of warming up."""
    generator.requires_grad_(weights)
    times = [step_times(generator, perceptual, device) for _ in range(steps + 1)][1:]
    return {part: statistics.median(t[part] for t in times) for part in PARTS}


def step_times(
    generator: Generator, perceptual: Perceptual, device: torch.device
) -> dict[str, float]:
    """Seconds of the parts of one step: draw a latent, compare by LPIPS and colour, go back."""
    card = generator.card
    camera = look_at(0.2, 0.1, card.radius, card.pivot, card.focal).to(device)
    w_plus = generator.mean_latent().detach().clone().requires_grad_()
    target = torch.zeros(1, 3, card.image_size, card.image_size, device=device)
    wanted = perceptual.features(target)
    watch = Watch(device)

    planes = generator.planes(w_plus)
    backbone = watch.lap()
    generator.render(planes, w_plus, camera, superresolve=False)
    render = watch.lap()
    image = generator.render(planes, w_plus, camera).image
    both = (
        watch.lap()
    )  # a generator renders and enlarges in one call: what enlarging costs is the difference
    distance = perceptual.compare(perceptual.features(image), wanted).mean()
    lpips = watch.lap()
    (distance + (image - target).abs().mean()).backward()
    backward = watch.lap()

    generator.zero_grad(set_to_none=True)
    return dict(zip(PARTS, (backbone, render, both - render, lpips, backward)))


class Watch:
    """Seconds since the last lap, after the device has done what it was told."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.lap()

    def lap(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        before, self.now = getattr(self, "now", 0.0), time.perf_counter()
        return self.now - before


def show(step: str, costs: dict[str, dict[str, float]]) -> None:
    """Print seconds and shares of each generator, and how many times the second costs the first."""
    first, second = costs
    print(f"\n{step:18}" + "".join(f"{name:>12} s  share" for name in costs) + "   ratio")
    totals = {name: sum(parts.values()) for name, parts in costs.items()}
    for part in (*PARTS, "step"):
        row = {name: parts.get(part, totals[name]) for name, parts in costs.items()}
        cells = "".join(f"{row[name]:14.3f}{row[name] / totals[name]:7.0%}" for name in costs)
        print(f"{part:18}{cells}{row[second] / max(row[first], 1e-9):8.1f}")


if __name__ == "__main__":
    main()
