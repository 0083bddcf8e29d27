"""One finished run against the truth, or against its photo where there is no truth."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hfinv import metrics, storage
from hfinv.bench.protocol import (
    INPUT,
    MOST_LIKE,
    PHOTO_YAWS,
    RING,
    angles_between,
    beside,
    bin_of,
    turned,
)
from hfinv.bench.truth import Seen, TrueHead, look
from hfinv.camera import Camera, concatenate
from hfinv.head import Head
from hfinv.identity import Identity
from hfinv.image import save_png, shrink, to_bytes, written_aside
from hfinv.intake import Face
from hfinv.perceptual import Perceptual
from hfinv.pipeline import open_head
from hfinv.render import RenderConfig, View, view
from hfinv.run import Run

SCHEMA = 1
"""Of `scores.json`; other scores are made anew."""
FOLDER, SCORES = "eval", "scores.json"
"""Of the run: what a measurement leaves in it."""
LAST = "tuning"
"""The stage that makes the head."""
BACKGROUND = 0.0
"""Grey level behind both heads while comparing, in [-1, 1]."""

Values = dict[str, float]


@dataclass(frozen=True)
class Judge:
    """The networks that compare, each read when first needed."""

    device: torch.device | str

    @cached_property
    def lpips(self) -> dict[str, Perceptual]:
        """By backbone."""
        return {net: Perceptual(net).to(self.device) for net in ("alex", "vgg")}

    @cached_property
    def identity(self) -> Identity:
        return Identity(self.device)


def measure(
    run: str | os.PathLike[str], truth: TrueHead | None = None, device: str = "auto"
) -> dict[str, Any]:
    """Everything measured of a run; kept in its folder `eval`, with pictures, and not measured twice.

    Args:
        run: a finished run.
        truth: the head it should be; None to compare with its photo only.
        device: auto, cpu, cuda or cuda:n.

    Returns:
        `views`: name -> yaw, pitch, bin and the values of `protocol.EVERY_VIEW`; `run`: the values of
        `protocol.RUNS`; `stages`: seconds and peak memory of each.

    Raises:
        UsageError: there is no run.
        HfinvError: it is not finished.
    """
    folder = Path(run) / FOLDER
    opened = Run.open(run)
    note = storage.read_note(opened.path / LAST) or {}
    key = storage.digest("eval", SCHEMA, note.get("key"), truth and truth.fingerprint())
    kept = kept_scores(folder / SCORES, key)
    if kept is not None:
        return kept
    head = open_head(run, device)
    judge = Judge(head.planes.device)
    with torch.no_grad():
        if truth is None:
            views, whole = _against_photo(head, opened, judge, folder)
        else:
            views, whole = _against_truth(head, truth, judge, folder)
        whole["warp"] = _contradictions(head)
    stages = opened.about["stages"]
    whole["seconds"] = sum(stage["seconds"] for stage in stages.values())
    whole["peak_mb"] = max(stage.get("peak_mb", math.nan) for stage in stages.values())
    scores = {
        "schema": SCHEMA,
        "key": key,
        "views": {name: _finite(values) for name, values in views.items()},
        "run": _finite(whole),
        "stages": {
            name: {"seconds": stage["seconds"], "peak_mb": stage.get("peak_mb")}
            for name, stage in stages.items()
        },
        "device": opened.about["device"],
    }
    with written_aside(folder / SCORES) as aside:
        storage.write_json(aside, scores)
    return scores


def kept_scores(path: Path, key: str) -> dict[str, Any] | None:
    """Scores of an earlier measurement of the same head; None if there are none."""
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return scores if isinstance(scores, dict) and scores.get("key") == key else None


def compare(found: View, truth: Seen, judge: Judge, counted: Tensor | None = None) -> Values:
    """The values of one view.

    Args:
        found: the rendering, over `BACKGROUND`, of the truth's size.
        truth: what should be seen.
        judge: the networks.
        counted: [1, 1, H, H] in [0, 1], where the truth may be believed; everywhere if None.
    """
    device = found.image.device
    counted = torch.ones_like(truth.foreground) if counted is None else counted
    counted = counted.to(device)
    person = truth.foreground.to(device)
    target = person * truth.image.to(device) + (1 - person) * BACKGROUND
    weight = person * counted
    values = {
        "psnr": metrics.psnr(found.image, target, weight),
        "ssim": metrics.ssim(found.image, target, weight),
        "ms_ssim": metrics.ms_ssim(found.image, target),
        "psnr_whole": metrics.psnr(found.image, target, counted),
        "ssim_whole": metrics.ssim(found.image, target, counted),
        "iou": metrics.silhouette_iou(found.alpha * counted, weight),
    }
    for net, perceptual in judge.lpips.items():
        features = perceptual.features(found.image.clamp(-1, 1)), perceptual.features(target)
        values[f"lpips_{net}"] = float(perceptual.compare(*features, weight))
        values[f"lpips_{net}_whole"] = float(perceptual.compare(*features, counted))
    yaw = math.degrees(truth.camera.angles()[0].item())
    if abs(yaw) <= MOST_LIKE:
        values["identity"] = judge.identity.distance(to_bytes(found.image), to_bytes(target))
    return values


def compare_shape(found: View, truth: Seen) -> Values:
    """Distances and normals of one view; see `hfinv.metrics`."""
    distance, opacity = found.distance.cpu(), found.opacity.cpu()
    size = min(distance.shape[-1], truth.distance.shape[-1])
    mine, on_mine = metrics.surface(distance, opacity, size)
    true, on_true = metrics.surface(truth.distance, (truth.distance > 0).float(), size)
    both = on_mine & on_true
    return {
        "distance": metrics.distance_error(mine, true, both),
        "normals": metrics.normal_angle(mine, true, both, truth.camera),
    }


def _against_truth(
    head: Head, truth: TrueHead, judge: Judge, folder: Path
) -> tuple[dict[str, Values], Values]:
    source, estimate = truth.input.camera, head.camera.to("cpu")
    views = {}
    for true_view in truth.views:
        seen = look(true_view)
        camera = beside(seen.camera, source, estimate)
        found = _seen_from(head, camera, seen.image.shape[-1])
        save_png(folder / f"{true_view.name}.png", found.image)
        yaw, pitch = angles_between(seen.camera, source)
        views[true_view.name] = {
            "yaw": round(yaw, 3),
            "pitch": round(pitch, 3),
            "bin": bin_of(true_view.name, yaw),
            **compare(found, seen, judge),
            **compare_shape(found, seen),
        }
    error = metrics.camera_error(estimate, source)
    return views, {"camera_deg": error.turn_deg, "camera_distance": error.distance_percent}


def _against_photo(
    head: Head, run: Run, judge: Judge, folder: Path
) -> tuple[dict[str, Values], Values]:
    face = run.load("intake", Face)
    size = head.generator.card.image_size
    camera = head.camera.to("cpu")
    seen = Seen(
        shrink(face.photo, size), shrink(face.foreground, size), torch.zeros(1, 1, 1, 1), camera
    )
    found = _seen_from(head, camera, size)
    save_png(folder / f"{INPUT}.png", found.image)
    values = compare(found, seen, judge, shrink(face.seen, size))
    views = {INPUT: {"yaw": 0.0, "pitch": 0.0, "bin": INPUT, **values}}
    photo = to_bytes(face.photo)
    for yaw in PHOTO_YAWS:
        aside = _seen_from(head, turned(camera, yaw), size)
        name = f"yaw{yaw:+d}"
        save_png(folder / f"{name}.png", aside.image)
        identity = judge.identity.distance(to_bytes(aside.image), photo, same_camera=False)
        views[name] = {
            "yaw": float(yaw),
            "pitch": 0.0,
            "bin": bin_of(name, yaw),
            "identity": identity,
        }
    return views, {}


def _contradictions(head: Head) -> float:
    """How much the views of `RING` contradict each other."""
    cameras = [turned(head.camera.to("cpu"), yaw) for yaw in RING]
    seen = [_seen_from(head, camera, None) for camera in cameras]
    return metrics.warp_error(
        torch.cat([s.image for s in seen]).cpu(),
        torch.cat([s.distance for s in seen]).cpu(),
        torch.cat([s.opacity for s in seen]).cpu(),
        concatenate(cameras),
    )


def _seen_from(head: Head, camera: Camera, size: int | None) -> View:
    return view(head, camera, RenderConfig(size=size, background=BACKGROUND))


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no word for nan: null says that something could not be measured."""
    return {
        name: storage.finite(value) if isinstance(value, float) else value
        for name, value in values.items()
    }
