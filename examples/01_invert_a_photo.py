"""Invert a photo into a 3D head, and look at it from the front and from both sides.

    python examples/01_invert_a_photo.py

Some minutes on two CPU cores. You will find `run/`, where each stage left pictures of what it did, and
`run/views.png`: the photo beside the head at yaw -30, 0 and 30 degrees. Run it again: the stages are found, not made.
"""

from __future__ import annotations

from pathlib import Path

import hfinv
from hfinv.image import contact_sheet, read, resize, save_png, to_bytes, to_tensor

PHOTO = Path(__file__).parent / "faces" / "f1.jpg"
RUN = Path("run")
YAWS = (-30, 0, 30)  # degrees; > 0 stands to the right of the image


def main() -> None:
    head = hfinv.invert(PHOTO, out=RUN)

    views = [head.render(yaw=yaw).pixels for yaw in YAWS]
    photo = to_bytes(resize(to_tensor(read(PHOTO)), len(views[0])))
    labels = ["the photo", *(f"yaw {yaw}" for yaw in YAWS)]
    path = save_png(RUN / "views.png", contact_sheet([photo, *views], columns=4, labels=labels))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
