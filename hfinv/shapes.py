"""Which tensor has the wrong shape, in one sentence."""

from __future__ import annotations

from torch import Tensor


def check(**tensors: tuple[Tensor, str]) -> dict[str, int]:
    """Bind the letters of each tensor's shape and refuse the first one that does not fit.

    `check(photo=(photo, "B 3 H W"), visible=(visible, "B 1 H W"))` also holds B, H and W of the
    two tensors equal. Numbers stand for themselves.

    Returns:
        The size of each letter.

    Raises:
        ValueError: a shape does not fit; the sentence names the tensor, its shape and the expected one.
    """
    sizes: dict[str, int] = {}
    for name, (tensor, form) in tensors.items():
        letters = form.split()
        fits = tensor.ndim == len(letters)
        for letter, size in zip(letters, tensor.shape):
            wanted = int(letter) if letter.isdigit() else sizes.setdefault(letter, size)
            fits = fits and wanted == size
        if not fits:
            known = ", ".join(f"{k}={sizes[k]}" for k in letters if k in sizes)
            where = f" with {known}" if known else ""
            raise ValueError(
                f"{name} is {list(tensor.shape)}, expected [{', '.join(letters)}]{where}"
            )
    return sizes
