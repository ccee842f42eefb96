"""Where training runs, and what it must not change there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bitwatt.errors import RequestError

DEVICES = ("auto", "cpu", "cuda")


def resolve_device(device: str) -> torch.device:
    """The device of that name; "auto" is cuda where there is one. Raises `RequestError` as `train`."""
    if device not in DEVICES:
        raise RequestError(f"device must be one of {', '.join(DEVICES)}; got '{device}'")
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        raise RequestError("device 'cuda': this PyTorch sees no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if has_cuda and device != "cpu" else "cpu")


@contextmanager
def exact_and_private_randomness(device: torch.device) -> Iterator[None]:
    """TF32 off (its 10-bit products are not exact), and global random states put back at the end."""
    cuda = [torch.cuda.current_device()] if device.type == "cuda" else []
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic = False, False, True
    try:
        with torch.random.fork_rng(devices=cuda):
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic = before
