from __future__ import annotations

import pytest
import torch

from hfinv import device
from hfinv.config import load_settings
from hfinv.errors import UsageError


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_auto_takes_the_gpu_where_there_is_one(gpus: None) -> None:
    assert device.choose("auto") == torch.device("cuda")
    assert device.choose("cuda:1") == torch.device("cuda:1")
    assert device.choose("cpu") == torch.device("cpu")


def test_auto_takes_the_cpu_where_there_is_no_gpu(no_gpu: None) -> None:
    assert device.choose() == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_gpu_that_is_not_there_exits_with_2_and_names_the_cpu(no_gpu: None, name: str) -> None:
    with pytest.raises(UsageError, match="no GPU") as caught:
        device.choose(name)
    assert caught.value.exit_code == 2 and "--device cpu" in caught.value.hint


def test_a_gpu_beyond_the_last_is_refused(gpus: None) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        device.choose("cuda:2")


@pytest.mark.parametrize("name", ["tpu", "cuda:", "cuda:x", "CPU"])
def test_a_name_that_is_no_device_is_refused(gpus: None, name: str) -> None:
    with pytest.raises(UsageError):
        device.choose(name)


def allocation_of_a_petabyte() -> BaseException:
    try:
        torch.empty(10**15, dtype=torch.uint8)
    except RuntimeError as error:
        return error
    pytest.skip("this machine has a petabyte to give")


def test_too_little_memory_is_told_from_other_errors() -> None:
    assert "GPU" in device.out_of_memory(torch.OutOfMemoryError("CUDA out of memory")).message
    for error in (MemoryError(), allocation_of_a_petabyte()):
        assert "not enough memory" in device.out_of_memory(error).message
    assert device.out_of_memory(RuntimeError("sizes must match")) is None


def test_the_setting_that_is_advised_exists_and_saves_memory() -> None:
    for error in (torch.OutOfMemoryError(), MemoryError()):
        hint = device.out_of_memory(error).hint
        setting = hint.split("`--set ")[1].split("`")[0]
        advised = load_settings(assignments=[setting])
        assert advised.tuning.keep_size < load_settings().tuning.keep_size


def test_half_is_used_only_where_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = torch.rand(1, 4, 8, 8), torch.rand(4, 4, 3, 3)
    for able, wanted, kind in (
        ({"amx_bf16": True}, True, torch.bfloat16),
        ({"avx512_bf16": True}, True, torch.bfloat16),
        ({"amx_bf16": True}, False, torch.float32),
        ({"avx2": True, "amx_bf16": False}, True, torch.float32),
        ({}, True, torch.float32),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able, raising=False)
        with device.in_half("cpu", wanted):
            assert torch.conv2d(x, weight).dtype == kind


def test_what_does_not_want_half_leaves_a_wider_half_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "has_fast_half", lambda where: True)
    x, weight = torch.rand(1, 4, 8, 8), torch.rand(4, 4, 3, 3)
    with device.in_half("cpu"):
        with device.in_half("cpu", False):
            assert torch.conv2d(x, weight).dtype == torch.bfloat16
    assert torch.conv2d(x, weight).dtype == torch.float32
