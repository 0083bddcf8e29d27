"""Mapping and synthesis against the recorded reference."""

from __future__ import annotations

import pytest
import torch
from fixtures import Case, cases, check_close
from torch import Tensor

from hfinv.generators.backbone import Mapping, Synthesis, SynthesisBlock, SynthesisLayer, ToRGB

TOLERANCE = 1e-5
RENAMED = {"img_channels": "image_channels", "w_avg_beta": "average_decay"}
UNUSED = {"noise_mode", "num_ws_used", "num_fp16_res"}


def arguments(case: Case) -> dict:
    return {RENAMED.get(k, k): v for k, v in case.args.items() if k not in UNUSED}


def loaded(cls: type, case: Case, **extra) -> torch.nn.Module:
    module = cls(**arguments(case), **extra)
    module.load_state_dict(case.state("state."))
    return module


def run_mapping(case: Case) -> dict[str, Tensor]:
    mapping = loaded(Mapping, case)
    z, c = case.inputs["z"], case.inputs.get("c")
    found = {"w": mapping(z, c)}
    if mapping.num_ws is not None:
        found |= {"w_psi0.5": mapping(z, c, 0.5), "w_psi0.5_cut2": mapping(z, c, 0.5, 2)}
    return found


def run_layer(case: Case) -> dict[str, Tensor]:
    layer, x, w = loaded(SynthesisLayer, case), case.inputs["x"], case.inputs["w"]
    return {"y": layer(x, w), "y_none": layer(x, w, "none"), "y_gain": layer(x, w, gain=0.5**0.5)}


def run_to_rgb(case: Case) -> dict[str, Tensor]:
    return {"y": loaded(ToRGB, case)(case.inputs["x"], case.inputs["w"])}


def run_block(case: Case) -> dict[str, Tensor]:
    block = loaded(SynthesisBlock, case, up=1 if "no_up" in case.op else 2)
    x, image = block(case.inputs.get("x"), case.inputs.get("img"), case.inputs["ws"])
    return {"x": x} | ({} if image is None else {"img": image})


def synthesis(case: Case) -> Synthesis:
    a = arguments(case)
    network = Synthesis(
        a["w_dim"], a["img_resolution"], a["image_channels"], a["channel_base"], a["channel_max"]
    )
    network.load_state_dict(case.state("state."))
    assert network.num_ws == a["num_ws"]
    return network


RUN = {
    "mapping_network": run_mapping,
    "synthesis_layer": run_layer,
    "to_rgb": run_to_rgb,
    "synthesis_block": run_block,
    "synthesis_block_no_upsample": run_block,
    "synthesis_network": lambda case: {"img": synthesis(case)(case.inputs["ws"])},
}
CASES = {name: case for name, case in cases("ops").items() if case.op in RUN}
NETWORK = CASES["synthesis_network32"]


@pytest.mark.parametrize("name", CASES)
def test_a_network_gives_what_the_reference_gave(name: str) -> None:
    case = CASES[name]
    found = RUN[case.op](case)
    assert found.keys() == case.outputs.keys()
    for key, expected in case.outputs.items():
        check_close(found[key], expected, TOLERANCE, TOLERANCE)


def test_every_recorded_operation_is_tested_here_or_with_the_layers() -> None:
    from test_layers import CASES as LAYER_CASES

    assert CASES.keys() | LAYER_CASES.keys() == cases("ops").keys()


@pytest.mark.parametrize(
    "resolution, rows", [(4, 2), (8, 4), (32, 8), (64, 10), (256, 14), (1024, 18)]
)
def test_the_number_of_rows_follows_the_resolution(resolution: int, rows: int) -> None:
    with torch.device("meta"):
        assert Synthesis(8, resolution, 3, channel_base=1024, channel_max=4).num_ws == rows


def test_the_image_of_a_block_reads_the_row_of_the_next_blocks_first_convolution() -> None:
    network, ws = synthesis(NETWORK), NETWORK.inputs["ws"].clone()
    changed = ws.clone()  # both as torch aligns them: a file's tensor may round otherwise
    changed[:, -1] += 1  # the last row is read by the last block's torgb alone
    seen = []
    network.b32.torgb.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    network(ws), network(changed)
    assert torch.equal(seen[0][0], seen[1][0])  # its features
    assert not torch.equal(seen[0][1], seen[1][1])  # its row


def test_an_odd_resolution_and_a_wrong_number_of_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="power of two"):
        Synthesis(8, 48, 3)
    with pytest.raises(ValueError, match=r"ws is \[2, 7, 6\], expected \[B, 8, 6\]"):
        synthesis(NETWORK)(NETWORK.inputs["ws"][:, 1:])


def test_random_noise_comes_from_the_given_generator_only() -> None:
    network, ws = synthesis(NETWORK), NETWORK.inputs["ws"]

    def noisy(seed: int) -> Tensor:
        return network(ws, "random", torch.Generator().manual_seed(seed))

    assert torch.equal(noisy(1), noisy(1))
    assert not torch.equal(noisy(1), noisy(2))
    with pytest.raises(ValueError, match="torch.Generator"):
        network(ws, "random")


def test_bfloat16_autocast_stays_near_full_precision_and_the_image_is_float32() -> None:
    network, ws = synthesis(NETWORK), NETWORK.inputs["ws"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        image = network(ws)
    assert image.dtype == torch.float32
    error = (image - NETWORK.outputs["img"]).abs()
    assert 0 < error.mean() < 0.02 * NETWORK.outputs["img"].std()


def test_the_average_latent_moves_towards_the_batch_only_when_told() -> None:
    torch.manual_seed(0)
    mapping = Mapping(4, 0, 6, num_ws=3, average_decay=0.75)
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    w = mapping(z)[:, 0]
    assert mapping.w_avg.eq(0).all()
    mapping(z, update_average=True)
    check_close(mapping.w_avg, w.mean(0).detach() / 4, 1e-6)


def test_no_truncation_left_means_the_average() -> None:
    case = CASES["mapping_eg3d2"]
    mapping = loaded(Mapping, case)
    w = mapping(case.inputs["z"], case.inputs["c"], truncation=0.0)
    assert torch.equal(w, mapping.w_avg.expand_as(w))


def test_gradients_reach_w_and_every_weight() -> None:
    network = synthesis(NETWORK)
    ws = NETWORK.inputs["ws"].clone().requires_grad_()
    network(ws).square().mean().backward()
    assert ws.grad.abs().amax((0, 2)).gt(0).all()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())
