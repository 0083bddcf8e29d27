"""Turn a head all around, and swing around what the photo showed.

    python examples/02_turntable.py

Inverts the bundled photo first, unless `run/` already holds it. You will find `run/renders/orbit.mp4`, a full turn in
six seconds with `orbit.npz`, how far each ray went, and `run/renders/swing.gif`, a small loop for a web page.

The front is the person; what the photo did not show, the back above all, is the generator's guess.
"""

from __future__ import annotations

from pathlib import Path

import hfinv
from hfinv.render import RenderConfig, orbit_cameras, save_video, swing_cameras

PHOTO = Path(__file__).parent / "faces" / "f1.jpg"
RUN = Path("run")


def main() -> None:
    head = hfinv.invert(PHOTO, out=RUN)

    # The planes were made once; each frame only casts rays through them.
    cameras = orbit_cameras(head.generator, degrees=360)
    for path in save_video(head, cameras, RUN / "renders" / "orbit.mp4", distance=True):
        print(f"wrote {path}")

    small = RenderConfig(size=160, fps=15, seconds=3)
    cameras = swing_cameras(head.generator, degrees=25, config=small)
    for path in save_video(head, cameras, RUN / "renders" / "swing.gif", small):
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
