"""Which processor computes, and what to say when its memory is too small."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from hfinv.errors import HfinvError, UsageError


def choose(name: str = "auto") -> torch.device:
    """The device of that name.

    Args:
        name: `cpu`, `cuda`, `cuda:n`, or `auto` for the first GPU if there is one.

    Raises:
        UsageError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and index.isdecimal())):
        raise UsageError(f"there is no device `{name}`", "choose auto, cpu, cuda or cuda:0")
    if kind == "cuda" and not torch.cuda.is_available():
        reason = "this machine has no GPU that torch can use"
        raise UsageError(f"`{name}` was asked for, but {reason}", "use `--device cpu`")
    if kind == "cuda" and index and int(index) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UsageError(
            f"`{name}` was asked for, but GPUs are counted from 0 to {count - 1}",
            "use `--device cuda`",
        )
    return torch.device(name)


def has_fast_half(device: torch.device | str) -> bool:
    """Does it multiply matrices of bfloat16 in hardware? Elsewhere they are many times slower than float32."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch we take
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def in_half(device: torch.device | str, wanted: bool = True) -> AbstractContextManager:
    """A context in which convolutions run in bfloat16, if that is wanted and faster there; otherwise nothing changes, and a
    wider such context goes on."""
    if wanted and has_fast_half(device):
        return torch.autocast(torch.device(device).type, torch.bfloat16)
    return nullcontext()


def out_of_memory(error: BaseException) -> HfinvError | None:
    """What to tell a person whose memory is too small; None if that is not what went wrong."""
    if isinstance(error, torch.OutOfMemoryError):
        return HfinvError(
            "the GPU has not enough free memory",
            "close other programs on it, use `--device cpu`, or make it smaller: "
            "`--set tuning.keep_size=32`",
        )
    # torch's allocator for the CPU has no exception of its own
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return HfinvError(
            "there is not enough memory",
            "close other programs, or make it smaller: `--set tuning.keep_size=32`, "
            "`--size 256` when rendering",
        )
    return None
