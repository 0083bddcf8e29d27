from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from export_examples import ball_head

from hfinv.errors import HfinvError
from hfinv.export import sources, surface
from hfinv.export.mesh import Shape
from hfinv.export.smooth import neighbours, smoothed
from hfinv.export.solid import closed, is_closed
from hfinv.geometry.surface import extract, signed_volume

BOX = 1.0


def cube_of_steps(size: int = 24) -> Shape:
    """A cube whose faces are rough by a third of a cell, as marching cubes may leave them."""
    place = np.linspace(-0.5, 0.5, size)
    grid = 0.3 - np.abs(np.stack(np.meshgrid(place, place, place, indexing="ij"))).max(0)
    vertices, faces = extract(grid.astype(np.float32), 0.0, BOX)
    noise = torch.randn(vertices.shape, generator=torch.Generator().manual_seed(1))
    return Shape((vertices + 0.006 * noise).numpy(), faces.numpy())


def roughness(shape: Shape) -> float:
    """Root mean square distance from the cube's nearest face."""
    outermost = np.abs(shape.vertices).max(1)
    return float(np.sqrt(((outermost - 0.3) ** 2).mean()))


def test_smoothing_takes_the_noise_and_leaves_the_edges() -> None:
    rough = cube_of_steps()
    smooth = smoothed(rough)
    assert roughness(smooth) < 0.5 * roughness(rough)
    corner = np.linalg.norm(smooth.vertices, axis=1).max()
    assert corner > 0.93 * 0.3 * np.sqrt(3)  # a low-pass filter rounds it far more
    volume = signed_volume(smooth.vertices, smooth.faces)
    assert volume == pytest.approx(signed_volume(rough.vertices, rough.faces), rel=0.02)


def test_neighbours_are_those_of_a_loop_over_all_pairs() -> None:
    faces = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    slow = {(i, j) for i in range(4) for j in range(i) if len(set(faces[i]) & set(faces[j])) == 2}
    assert {(max(p), min(p)) for p in zip(*map(np.ndarray.tolist, neighbours(faces)))} == slow


def tetrahedron() -> Shape:
    corners = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    return Shape(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))


def test_a_hole_is_closed_and_a_closed_surface_left_alone() -> None:
    whole = tetrahedron()
    assert is_closed(whole.faces) and np.array_equal(closed(whole).faces, whole.faces)
    mended = closed(Shape(whole.vertices, whole.faces[:3]))
    assert is_closed(mended.faces) and signed_volume(mended.vertices, mended.faces) == (
        pytest.approx(1 / 6)
    )


def test_a_fin_that_pinches_an_edge_is_taken_out() -> None:
    ball = closed(cube_of_steps(8))
    a, b, c = ball.faces[5]
    far = len(ball.vertices)
    fin = np.array([[a, b, far], [b, a, far]])
    pinched = Shape(
        np.concatenate([ball.vertices, 2 * ball.vertices[[a]]]), np.concatenate([ball.faces, fin])
    )
    assert not is_closed(pinched.faces)
    mended = closed(pinched)
    assert is_closed(mended.faces)
    volume = signed_volume(mended.vertices, mended.faces)
    assert volume == pytest.approx(signed_volume(ball.vertices, ball.faces), rel=0.2)


def test_what_cannot_be_closed_is_said() -> None:
    with pytest.raises(HfinvError, match="could not be closed"):
        closed(Shape(np.zeros((3, 3), np.float32), np.array([[0, 0, 1]])))


def test_the_cut_is_flat_and_round() -> None:
    solid = np.ones((40, 40, 40), np.float32)
    vertices, _ = extract(surface.cut(solid, -0.2, 0.3, BOX), 0.0, BOX)
    assert float(vertices[:, 1].min()) == pytest.approx(-0.2, abs=0.002)
    assert float(vertices[:, [0, 2]].norm(dim=1).max()) == pytest.approx(0.3, abs=0.005)


def test_an_open_bust_ends_at_its_cut_and_a_watertight_one_has_a_lid() -> None:
    solid = np.ones((40, 40, 40), np.float32)
    vertices, faces = extract(surface.cut(solid, -0.2, 0.3, BOX), 0.0, BOX)
    shape = Shape(vertices.numpy(), faces.numpy())
    opened = surface.without_lid(shape, -0.2, 0.03)
    assert is_closed(shape.faces) and not is_closed(opened.faces)
    middles = opened.vertices[opened.faces].mean(1)
    assert (np.hypot(middles[:, 0], middles[:, 2])[middles[:, 1] < -0.15] > 0.25).all()
    everything = surface.without_lid(shape, 10.0, 0.0)
    assert everything is shape  # a cut that would leave nothing is none


def test_the_level_follows_the_outline_and_not_the_front() -> None:
    """A ball with a veil of hair: less dense than the ball, and opaque all the same to rays that graze it."""
    head = ball_head()
    ball = head.generator
    seen = sources.pictures(head, None)

    def veiled(planes: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        inside = ball.radius - points.norm(dim=-1, keepdim=True)
        # 100 at 0.20, 30 at the outline of the pictures, 0 outside.
        return (30 + 1400 * inside).clamp(0, 100)

    generator = SimpleNamespace(card=ball.card, density=veiled, render=dense_front(ball))
    other = SimpleNamespace(generator=generator, planes=head.planes, w_plus=head.w_plus)
    front = surface.surface_level(generator, head.planes, head.w_plus)
    assert front > 75
    assert surface.outline_level(other, seen) == pytest.approx(30, rel=0.35)


def dense_front(ball):
    """Renders as the ball does, but measures distances to where the density is 100."""

    def render(planes, w_plus, camera, **how):
        seen = ball.render(planes, w_plus, camera, **how)
        return SimpleNamespace(opacity=seen.opacity, distance=seen.distance + 0.055)

    return render
