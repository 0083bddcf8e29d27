from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from export_examples import ball_head, photo_of_ball

from hfinv.export.sources import Picture, cameras_around, photo_of, pictures
from hfinv.head import Head
from hfinv.intake import Face
from hfinv.painting import Paint
from hfinv.progress import Step
from hfinv.run import Run
from hfinv.tuning import Tuned


def kept(folder: Path, head: Head) -> Head:
    """The head with a finished run."""

    def take(config: None) -> Face:
        return photo_of_ball()

    def tune(config: None) -> Tuned:
        fit = torch.zeros(1, 3, 8, 8)
        return Tuned({}, head.w_plus, head.camera, fit, head.psnr, head.lpips)

    with Run.create(folder, first_key_parts={"photo": "aa"}) as run:
        run.stage("intake", take, config=None)
        run.stage("tuning", tune, config=None)
    return replace(head, run=folder)


def test_the_photo_of_a_head_is_found_in_its_run(tmp_path: Path) -> None:
    head = kept(tmp_path / "run", ball_head())
    found = photo_of(head)
    assert found is not None and torch.equal(found.photo, photo_of_ball().photo)


def test_an_edited_head_has_no_photo(tmp_path: Path) -> None:
    head = kept(tmp_path / "run", ball_head())
    assert photo_of(replace(head, w_plus=head.w_plus + 0.1)) is None
    assert photo_of(replace(head, run=tmp_path / "run" / "edits" / "smile+1")) is None


def test_what_was_painted_is_on_the_photo(tmp_path: Path) -> None:
    head = kept(tmp_path / "run", ball_head())
    colour, mask = torch.full((1, 3, 256, 256), 0.5), torch.zeros(1, 1, 256, 256)
    mask[..., :40] = 1
    found = photo_of(replace(head, paint=Paint(colour, mask, head.camera, head.w_plus)))
    assert (found.photo[..., :40] == 0.5).all()
    assert torch.equal(found.photo[..., 40:], photo_of_ball().photo[..., 40:])


def test_all_around_means_every_side_and_from_above_and_below() -> None:
    cameras = cameras_around(ball_head())
    ways = torch.cat([camera.centre for camera in cameras.values()])
    ways = ways / ways.norm(dim=1, keepdim=True)
    probes = torch.nn.functional.normalize(
        torch.randn(500, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    probes = probes[probes[:, 1].abs() < 0.7]
    assert (probes @ ways.T).max(1).values.min() > 0.6


def test_pictures_know_where_they_are_sure_of_the_head() -> None:
    told: list[Step] = []
    seen = pictures(ball_head(), photo_of_ball(), told.append)
    assert len(seen.drawn) == len(told) == told[-1].steps == len(cameras_around(ball_head()))
    assert seen.photo is not None
    inside, outline = seen.photo.inside, seen.photo.outline
    assert (inside <= outline).all() and 0.8 * outline.sum() < inside.sum() < outline.sum()


def test_the_sure_part_keeps_off_the_outline() -> None:
    outline = torch.zeros(1, 1, 100, 100)
    outline[..., 20:80, 20:80] = 1
    inside = Picture(torch.zeros(1, 3, 100, 100), outline, ball_head().camera).inside[0, 0]
    assert (inside[20] == 0).all() and inside[50, 50] == 1 and 0 < inside[50, 21] < 1
