"""Official files: pickles of every version that wrote them, archives and state dicts, to the very same generator."""

from __future__ import annotations

import functools
import io
import json
import os
import types
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fixtures import DATA
from safetensors.torch import save_file
from official_examples import RAY_SIZE, thin
from standin import EG3D_AXES, PANOHEAD_AXES, Pickler, Style, object_of, write_official

from hfinv.camera import look_at
from hfinv.errors import WeightsError
from hfinv.generators.archive import read_official
from hfinv.generators.checkpoint import load, read_card, save
from hfinv.generators.eg3d import EG3D
from hfinv.generators.official import OFFICIAL, Found, card_of, plane_order
from hfinv.generators.stored import value

AXES = {"eg3d_tiny": EG3D_AXES, "panohead_tiny": PANOHEAD_AXES}
STYLES = [
    Style(protocol, torch2, numpy2)
    for protocol in (2, 4)
    for torch2 in (False, True)
    for numpy2 in (False, True)
]


small = functools.cache(lambda name: thin(name.removesuffix("_tiny")))


def written(name: str, path: Path, style: Style = Style()) -> Path:
    made, arguments = small(name)
    return write_official(path, made, arguments, RAY_SIZE, AXES[name], style=style)


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("name", AXES)
def test_a_pickle_of_any_version_gives_exactly_the_state_dict(
    name: str, style: Style, tmp_path: Path
) -> None:
    path = written(name, tmp_path / "official.pkl", style)
    expected = small(name)[0].state_dict()
    with read_official(path) as found:
        assert {key: value(t).shape for key, t in found.tensors.items()} == {
            key: t.shape for key, t in expected.items()
        }
        for key, tensor in found.tensors.items():
            assert value(tensor).dtype == expected[key].dtype, key
            assert torch.equal(value(tensor), expected[key]), key
        assert found.ray_size == RAY_SIZE
        assert found.arguments == small(name)[1]
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", AXES)
def test_a_loaded_pickle_draws_what_was_written_and_converted_it_draws_the_same(
    name: str, tmp_path: Path
) -> None:
    made = small(name)[0]
    found = load(written(name, tmp_path / "official.pkl"))
    save(found, tmp_path / "ours.safetensors", half=False)
    again = load(tmp_path / "ours.safetensors")
    assert again.card == replace(found.card, arguments=again.card.arguments)
    w_plus = made.map(torch.ones(1, 64))
    settings = {"size": 16, "samples": (6, 4)}
    images = [
        g.render(g.planes(w_plus), w_plus, look_at(0.3), **settings).image
        for g in (made, found, again)
    ]
    assert torch.equal(images[0], images[1]) and torch.equal(images[1], images[2])
    assert not any(p.requires_grad for p in found.parameters()) and not found.training


def test_the_plane_order_of_a_fork_is_read_from_its_matrices(tmp_path: Path) -> None:
    made, arguments = small("eg3d_tiny")
    fixed = [*EG3D_AXES[:2], [[0, 0, 1], [0, 1, 0], [1, 0, 0]]]
    path = write_official(tmp_path / "fork.pkl", made, arguments, RAY_SIZE, fixed)
    assert load(path).architecture.plane_order == "fixed"
    strange = [*EG3D_AXES[:2], [[0.6, 0.8, 0], [0.8, -0.6, 0], [0, 0, 1]]]
    path = write_official(tmp_path / "strange.pkl", made, arguments, RAY_SIZE, strange)
    with pytest.raises(WeightsError, match="not those of the world"):
        load(path)


def test_matrices_are_the_orders_that_the_authors_state() -> None:
    assert plane_order(torch.tensor(EG3D_AXES), "eg3d") == "eg3d"
    assert plane_order(torch.tensor(PANOHEAD_AXES), "trigrid") == "trigrid"
    assert plane_order(None, "trigrid") == "trigrid"


def test_a_renderer_of_before_the_crop_does_not_crop(tmp_path: Path) -> None:
    made, arguments = small("panohead_tiny")
    path = write_official(tmp_path / "a.pkl", made, arguments, RAY_SIZE, PANOHEAD_AXES)
    assert load(path).architecture.crop == 0.1  # its renderer brings no source text
    with read_official(path) as found:
        assert card_of(replace(found, crops=False), "a").arguments["crop"] == 0.0


def test_a_torch_archive_and_a_safetensors_file_need_their_arguments(tmp_path: Path) -> None:
    made, arguments = small("panohead_tiny")
    torch.save(made.state_dict(), tmp_path / "a.pt")
    torch.save({"state_dict": made.half().state_dict()}, tmp_path / "b.pt")
    made.float()
    save_file({k: v.contiguous() for k, v in made.state_dict().items()}, tmp_path / "c.safetensors")
    with pytest.raises(WeightsError, match="a.json"):
        load(tmp_path / "a.pt")
    told = {"init_kwargs": arguments, "neural_rendering_resolution": RAY_SIZE}
    for name in "abc":
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
    for file in ("a.pt", "b.pt", "c.safetensors"):
        found = load(tmp_path / file)
        assert found.card.family == "panohead" and found.architecture.ray_size == RAY_SIZE
        for key, tensor in made.state_dict().items():
            assert torch.equal(found.state_dict()[key], tensor), key
    (tmp_path / "a.json").write_text('{"init_kwargs": 3}')
    with pytest.raises(WeightsError, match="a.json"):
        load(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "told",
    [
        "[" * 100_000,
        "[]",
        '{"init_kwargs": ' + '{"a": ' * 50 + "1" + "}" * 51,
        "x" * 2_000_000,
        '{"init_kwargs": {"rendering_kwargs": {}}, "plane_axes": [[1, 2], [3]]}',
        '{"init_kwargs": {"rendering_kwargs": {}}, "plane_axes": [1e400, "a"]}',
        '{"init_kwargs": {"rendering_kwargs": {}}, "neural_rendering_resolution": Infinity}',
    ],
    ids=["deep", "list", "nested", "long", "ragged", "infinite", "size"],
)
def test_a_description_that_wants_harm_is_refused(told: str, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    (tmp_path / "a.json").write_text(told)
    with pytest.raises(WeightsError):
        load(tmp_path / "a.pt")


def test_a_description_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "a.pt")
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir):
        make(tmp_path / "a.json")
        with pytest.raises(WeightsError, match="no `a.json` beside it"):
            load(tmp_path / "a.pt")
        if (tmp_path / "a.json").is_dir():
            continue
        (tmp_path / "a.json").unlink()


def test_a_whole_tuned_generator_that_torch_saved_is_read(tmp_path: Path) -> None:
    """As PTI keeps it: `torch.save` of the object, whose tensors are parts of an archive."""
    made, arguments = small("eg3d_tiny")
    names: dict = {}
    extra = {
        "": {
            "children": ["renderer"],
            "rendering_kwargs": arguments["rendering_kwargs"],
            "neural_rendering_resolution": RAY_SIZE,
            "_init_kwargs": arguments,
        },
        "renderer": {"plane_axes": torch.tensor(EG3D_AXES).float()},
    }
    thing = object_of(made, "", Style(2), names, extra)

    class Writer(Pickler):
        def __init__(self, file: io.BufferedIOBase, protocol: int) -> None:
            super().__init__(file, Style(2), names)

    writer = types.SimpleNamespace(Pickler=Writer, __name__="writer")
    torch.save({"G_ema": thing}, tmp_path / "tuned.pt", pickle_module=writer)
    found = load(tmp_path / "tuned.pt")
    assert found.architecture.ray_size == RAY_SIZE
    for key, tensor in made.state_dict().items():
        assert torch.equal(found.state_dict()[key], tensor), key


def test_the_offset_on_the_card_is_that_of_the_mean_z(tmp_path: Path) -> None:
    found = load(written("panohead_tiny", tmp_path / "a.pkl"))
    label = look_at(0.0, pivot=(0, 0, 0)).label()
    expected = found.camera_offset(torch.zeros(1, 64), label)[0]
    assert found.card.offset == pytest.approx(expected.tolist(), abs=1e-6)
    assert max(map(abs, found.card.offset)) > 1e-3
    save(found, tmp_path / "ours.safetensors")
    assert read_card(tmp_path / "ours.safetensors").offset == found.card.offset


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("mapping_kwargs", {"num_layers": 10**9}),
        ("", {"channel_base": 2**60}),
        ("", {"z_dim": "512"}),
        ("rendering_kwargs", {"depth_resolution": 10**12}),
        ("rendering_kwargs", {"box_warp": 0}),
        ("rendering_kwargs", {"superresolution_module": "os.system"}),
        ("rendering_kwargs", {"avg_camera_pivot": "origin"}),
        ("rendering_kwargs", {"avg_camera_pivot": [0, 0]}),
        ("rendering_kwargs", {"avg_camera_pivot": [0, 0, float("nan")]}),
        ("rendering_kwargs", {"avg_camera_radius": 10**400}),
        ("rendering_kwargs", {"ray_start": "auto"}),
        ("rendering_kwargs", {"ray_end": float("inf")}),
        ("rendering_kwargs", {"white_back": "no"}),
        ("rendering_kwargs", {"clamp_mode": "relu"}),
        ("rendering_kwargs", {"c_scale": "1"}),
        ("rendering_kwargs", {"superresolution_noise_mode": "x" * 1000}),
        ("", {"c_dim": 12}),
    ],
    ids=lambda told: str(told)[:40],
)
def test_arguments_of_no_generator_are_refused(place: str, change: dict, tmp_path: Path) -> None:
    made, arguments = small("eg3d_tiny")
    changed = arguments | (change if not place else {place: arguments[place] | change})
    path = write_official(tmp_path / "a.pkl", made, changed, RAY_SIZE, EG3D_AXES)
    with pytest.raises(WeightsError, match="do not describe") as caught:
        load(path)
    assert len(caught.value.message) < 600


def test_a_tensor_too_few_is_named(tmp_path: Path) -> None:
    made, arguments = small("eg3d_tiny")
    kept = made.decoder.net[0].bias
    made.decoder.net[0].bias = None
    path = write_official(tmp_path / "a.pkl", made, arguments, RAY_SIZE, EG3D_AXES)
    made.decoder.net[0].bias = kept
    with pytest.raises(WeightsError, match="lacks decoder.net.0.bias"):
        load(path)


CARDS = {
    "ffhq512-128": ("eg3d", (0, 0, 0.2), 2.7, 4.2647, 1.0, "eg3d", 512),
    "ffhqrebalanced512-128": ("eg3d", (0, 0, 0.2), 2.7, 4.2647, 1.0, "eg3d", 512),
    "afhqcats512-128": ("eg3d", (0, 0, -0.06), 2.7, 4.2647, 1.0, "frontal", 512),
    "shapenetcars128-64": ("eg3d", (0, 0, 0), 1.7, 1.7074, 1.6, "none", 128),
}


@pytest.mark.parametrize("name", CARDS)
def test_the_card_of_an_official_file_says_how_its_photos_were_taken(name: str) -> None:
    listing = json.loads((DATA / f"keys_eg3d_{name}.json").read_text())
    card = card_of(Found({}, listing["init_kwargs"], 64), name)
    found = (card.family, card.pivot, card.radius, card.focal, card.box, card.framing)
    assert (*found, card.image_size) == CARDS[name]
    assert card.arguments["white_back"] == (name == "shapenetcars128-64")
    assert card.arguments["label_scale"] == (0 if name == "shapenetcars128-64" else 1)
    with torch.device("meta"):
        tensors = EG3D(card).state_dict()
    assert {k: list(t.shape) for k, t in tensors.items()} == {
        k: t["shape"] for k, t in listing["tensors"].items()
    }
    assert name in OFFICIAL


def test_a_generator_without_a_scale_for_its_label_is_blind_to_it() -> None:
    arguments = json.loads((DATA / "keys_eg3d_ffhq512-128.json").read_text())["init_kwargs"]
    del arguments["rendering_kwargs"]["c_scale"]
    assert card_of(Found({}, arguments, 64), "a").arguments["label_scale"] == 0


@pytest.mark.parametrize("name", ["eg3d", "panohead"])
def test_the_stand_in_names_what_the_official_classes_name(name: str, tmp_path: Path) -> None:
    import pickletools

    path = written(f"{name}_tiny", tmp_path / "a.pkl", Style(2, numpy2=True))
    globals_ = {
        arg.replace(" ", ".")
        for op, arg, _ in pickletools.genops(path.read_bytes())
        if op.name == "GLOBAL"
    }
    listed = json.loads((DATA / f"pickle_structure_{name}.json").read_text())["globals_protocol2"]
    assert set(listed) - globals_ <= {"training.volumetric_rendering.ray_marcher.MipRayMarcher2"}


def test_reading_the_card_reads_no_tensor_but_the_matrices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written("eg3d_tiny", tmp_path / "a.pkl")
    read = []
    from hfinv.generators.stored import StoredTensor

    monkeypatch.setattr(
        StoredTensor,
        "read",
        lambda self: read.append(self.shape) or torch.tensor(EG3D_AXES).float(),
    )
    assert read_card(path).name == "a" and read == [(3, 3, 3)]
