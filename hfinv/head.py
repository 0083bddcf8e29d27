"""A finished head: what came out of an inversion, ready to be seen from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from hfinv import render
from hfinv.camera import Camera
from hfinv.generators.base import Generator
from hfinv.painting import Paint
from hfinv.render import RenderConfig, View


@dataclass(frozen=True)
class Head:
    """One person's head.

    Also what `hfinv.render`'s functions take, for videos and for cameras of one's own.
    """

    generator: Generator
    """Tuned to this head."""
    w_plus: Tensor
    """[1, L, D], the pivot."""
    planes: Tensor
    """[1, 3, C, h, w], made once from the two above."""
    camera: Camera
    """The photo's camera."""
    psnr: float
    """Foreground PSNR of the head at that camera against the photo, dB."""
    lpips: float
    """LPIPS there."""
    run: Path
    """The run directory that holds it."""
    paint: Paint | None = None
    """What was painted on it; in its planes already."""

    def render(self, yaw: float = 0.0, pitch: float = 0.0, size: int | None = None) -> View:
        """The head seen from an angle; `head.render(yaw=30).save("a.png")`.

        Args:
            yaw: degrees; > 0 stands to the right of the image.
            pitch: degrees; > 0 looks from above.
            size: side of the picture, in pixels; the generator's own if None.
        """
        camera = render.still_camera(self.generator, yaw, pitch)
        return render.view(self, camera, RenderConfig(size=size))

    def edit(self, **amounts: float) -> Head:
        """The same head, changed: `head.edit(smile=0.8, age=-0.5).render().save("a.png")`.

        Args:
            amounts: standard deviations of the generator's directions; `hfinv edit --list` names them.

        Raises:
            UsageError: there is no such direction.
        """
        from hfinv import editing

        along = editing.known(self)
        return editing.applied(self, editing.edit(self, amounts, along=along))

    def painted(self, picture: str | Path) -> Head:
        """The same head, painted as its run's `intake/crop.png` was: `head.painted("edited.png")`.

        Raises:
            PhotoError: nothing is painted on the picture, or everything, or it is no picture.
        """
        from hfinv import editing

        paint, _ = editing.read_paint(picture, self)
        return editing.applied(self, editing.edit(self, {}, paint))

    def orbit(
        self, path: str | Path | None = None, degrees: float = 360.0, seconds: float = 6.0
    ) -> Path:
        """Film a turntable.

        Args:
            path: ends in .mp4, .webm or .gif; `renders/orbit.mp4` in the run if None.
            degrees: how far it turns.
            seconds: how long it takes.

        Returns:
            The file written.
        """
        config = RenderConfig(seconds=seconds)
        cameras = render.orbit_cameras(self.generator, degrees, config)
        return render.save_video(self, cameras, path or self.run / "renders" / "orbit.mp4", config)[
            0
        ]

    def export(self, path: str | Path, **config: int | bool) -> Path:
        """Write the head as a mesh that other programs open: `head.export("head.glb", faces=20_000)`.

        Args:
            path: ends in .glb, .obj, .ply or .stl.
            config: fields of `hfinv.export.ExportConfig`: grid, faces, texture, lit, watertight.

        Returns:
            The file written.

        Raises:
            UsageError: there is no such format.
            HfinvError: nothing solid is there, or the file cannot be written.
        """
        from hfinv.export import ExportConfig, export

        return export(self, path, ExportConfig(**config))[0]
