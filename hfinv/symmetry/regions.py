"""Where the eyes and the mouth are in a view: landmarks lifted onto the surface and projected anew.

SPI's code looks for them where they were in the input, whatever the view.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.intake.head import head_model, to_world
from hfinv.symmetry.mirror import Sight
from hfinv.symmetry.settings import RegionConfig
from hfinv.symmetry.surface import Surface

RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
"""MediaPipe's numbers of the lids; right and left are the subject's."""
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
MOUTH = (
    (61, 146, 91, 181, 84, 17, 314, 405, 321, 375)
    + (291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
)  # fmt: skip
"""The outer lips."""
REGIONS = (RIGHT_EYE, LEFT_EYE, MOUTH)


def landmarks_on_head(sight: Sight, surface: Surface) -> Tensor:
    """[1, 468, 3], where the landmarks lie on the head, world frame.

    Args:
        sight: its landmarks; where none were found, those of the average head stand in.
        surface: the head from its camera.
    """
    if not sight.landmarks.any():
        return to_world(head_model().neutral)[None].to(sight.landmarks)
    grid = 2 * sight.landmarks[:, None] - 1
    distance = F.grid_sample(  # [1, 1, 1, 468]
        surface.distance, grid, padding_mode="border", align_corners=False
    )
    origins, directions = sight.camera.rays_through(sight.landmarks)
    return origins + distance[:, 0, 0, :, None] * directions


def boxes(points: Tensor, camera: Camera, config: RegionConfig) -> Tensor:
    """Right eye, left eye and mouth in each view, [K, 3, 4] as left, top, right, bottom in [0, 1].

    Args:
        points: [1, 468, 3], the landmarks in the world.
        camera: K cameras.
        config: the room around them.
    """
    pixels, _ = camera.project(points.expand(len(camera), -1, -1))
    pads = (config.eye_pad, config.eye_pad, config.mouth_pad)
    found = [
        torch.cat([pixels[:, region].amin(1) - pad, pixels[:, region].amax(1) + pad], 1)
        for region, pad in zip(REGIONS, pads)
    ]
    return torch.stack(found, 1).clamp(0, 1)


def crops(picture: Tensor, box: Tensor, size: int) -> Tensor:
    """Each view's boxes brought to one size, [K * 3, C, size, size].

    Args:
        picture: [K, C, S, S].
        box: [K, 3, 4], from `boxes`.
        size: side of a crop.
    """
    from torchvision.ops import roi_align  # to import it takes as long as to import torch

    in_pixels = list((picture.shape[-1] * box).to(picture))
    return roi_align(picture, in_pixels, (size, size), aligned=True)
