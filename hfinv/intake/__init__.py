"""Any photo -> a face as the generator's training photos show theirs, with its camera and matte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from hfinv.camera import Camera, look_at
from hfinv.errors import PhotoError
from hfinv.image import to_tensor
from hfinv.intake.align import crop_from_photo, widened
from hfinv.intake.choose import about_crop, about_given, about_yaw, check_pose, choose
from hfinv.intake.detect import detect
from hfinv.intake.face import PHOTO, Face, IntakeConfig
from hfinv.intake.find import find_faces, turned, upright_turns
from hfinv.intake.labels import read_camera
from hfinv.intake.landmarks import Landmarks, locate
from hfinv.intake.matte import foreground
from hfinv.intake.pose import camera_of, fit_head, towards_origin
from hfinv.intake.resample import apply, compose, draw, inside, quarter_turns, shift_scale
from hfinv.intake.threads import one_thread

__all__ = ["PHOTO", "Face", "IntakeConfig", "take_in"]

MEASURED_PX = 512
"""Size of the crop in whose pixels the reprojection is told."""


def take_in(photo: np.ndarray, config: IntakeConfig = IntakeConfig()) -> Face:
    """Find a face, crop it as EG3D's training photos were, and measure its camera.

    Args:
        photo: uint8 [H, W, 3] RGB, upright if it can be; lying on its side it is turned.
        config: with `camera`, the photo is the crop that this camera belongs to.

    Raises:
        PhotoError: no face, not the wanted one, too small, too unclear, too far to the side; or the
            camera file holds no camera for it.
    """
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
        raise ValueError(f"photo is {photo.dtype} {list(photo.shape)}, expected uint8 [H, W, 3]")
    with one_thread():
        if config.camera is not None:
            return _cropped(photo, read_camera(config.camera, config.camera_key), config)
        if config.framing == "frontal":
            return _guessed(photo, config)
        if config.framing == "none":
            raise PhotoError(
                "photos of what this generator shows cannot be cropped and measured here",
                "crop the photo as its training photos were, and give its camera with `--camera FILE`",
            )
        return _crop(photo, config)


def _crop(photo: np.ndarray, config: IntakeConfig) -> Face:
    height, width = photo.shape[:2]

    # 1. Find the faces and their landmarks, and put the photo upright.
    found = find_faces(photo, config.min_score, config.min_presence)
    turns = upright_turns(found, config.min_presence)
    upright = np.ascontiguousarray(np.rot90(photo, turns))

    # 2. Take the wanted face.
    faces = [turned(face, turns, width, height) for face in found]
    face, count, warnings = choose(faces, config)

    # 3. Crop it, without turning.
    crop_from_upright = crop_from_photo(face.points, config.size)
    if config.framing == "panohead":
        crop_from_upright = widened(crop_from_upright, config.size)
    crop = draw(upright, crop_from_upright, config.size)
    whole = compose(crop_from_upright, quarter_turns(turns, width, height))
    seen = inside(whole, config.size, width, height)
    warnings += about_crop(turns, crop_from_upright[0, 0], 1 - seen.mean())

    # 4. Lay a head under the landmarks: that is the camera.
    landmarks = apply(crop_from_upright, face.points) / config.size
    fit = fit_head(landmarks)
    camera, error = camera_of(fit), fit.error * MEASURED_PX
    camera = towards_origin(camera) if config.framing == "panohead" else camera
    warnings += check_pose(camera, error, config)

    # 5. Tell the person from the background.
    person = foreground(crop) if config.matte else torch.ones(1, 1, config.size, config.size)
    return Face(
        photo=to_tensor(crop),
        foreground=person,
        camera=camera,
        landmarks=torch.from_numpy(landmarks)[None].float(),
        presence=face.presence,
        reprojection_px=error,
        warnings=warnings,
        crop_from_photo=torch.from_numpy(whole).float(),
        seen=torch.from_numpy(seen)[None, None],
        faces_found=count,
    )


def _guessed(photo: np.ndarray, config: IntakeConfig) -> Face:
    """No detector finds what the photo shows: its middle is taken as the crop, and the camera as frontal."""
    side = min(photo.shape[:2])
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    middle = np.ascontiguousarray(photo[top : top + side, left : left + side])
    face = _cropped(middle, look_at(0.0, pivot=(0.0, 0.0, 0.0)), config)
    said = "the photo is taken as cropped and seen from the front; `--camera FILE` says it better"
    return replace(face, warnings=(said, *face.warnings))


def _cropped(photo: np.ndarray, camera: Camera, config: IntakeConfig) -> Face:
    """The photo is the crop already, and its camera is known."""
    height, width = photo.shape[:2]
    if width != height:
        raise PhotoError(
            f"the photo is {width} x {height} pixels, but the crop that a camera belongs to is square",
            "give the crop, or leave `--camera` out to have the photo cropped",
        )
    scale = config.size / width
    crop_from_given = shift_scale((scale, scale), (0.0, 0.0))
    crop = draw(photo, crop_from_given, config.size)
    person = foreground(crop) if config.matte else torch.ones(1, 1, config.size, config.size)
    warnings = about_yaw(camera, config)

    # Landmarks serve later stages; without them the camera still stands.
    human = config.framing in ("eg3d", "panohead")
    detections = detect(crop, config.min_score) if human else []
    found = [locate(crop, detection) for detection in detections]
    found = [face for face in found if face.presence >= config.min_presence]
    landmarks, presence, error = np.zeros((468, 2)), 0.0, 0.0
    if found:
        face: Landmarks = max(found, key=lambda f: f.side)
        landmarks, presence = face.points / config.size, face.presence
        fit = fit_head(landmarks)
        error = fit.error * MEASURED_PX
        warnings += about_given(camera, camera_of(fit))
    elif human:
        warnings += ("no face was found in the crop; only the given camera places it",)
    return Face(
        photo=to_tensor(crop),
        foreground=person,
        camera=camera,
        landmarks=torch.from_numpy(landmarks)[None].float(),
        presence=presence,
        reprojection_px=error,
        warnings=warnings,
        crop_from_photo=torch.from_numpy(crop_from_given).float(),
        seen=torch.ones(1, 1, config.size, config.size),
        faces_found=len(found),
    )
