"""Find a study's networks and data, and look at them before any work starts."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bitwatt.errors import RequestError

if TYPE_CHECKING:
    from torch import nn

    from bitwatt.datasets import Data


def build_network(name: str, seed: int) -> nn.Module:
    """The network of that name with its first weights: `lenet`, `alex*0.5` (half as wide), or the user's own.

    `module:function` names a function that is called with the seed and returns an `nn.Module`; `*0.5` behind
    it is its argument `width`, and `^3` its argument `depth`. Raises `RequestError`.
    """
    from torch import nn

    from bitwatt import networks

    rest, caret, depth = name.partition("^")
    plain, star, width = rest.partition("*")
    if star and not re.fullmatch(r"\d+(\.\d+)?", width):
        raise RequestError(f"network '{name}': after '*' stands a width such as 0.5, got '{width}'")
    if caret and not re.fullmatch(r"\d+", depth):
        raise RequestError(f"network '{name}': after '^' stands a depth such as 3, got '{depth}'")
    if ":" in plain:
        shape = {**({"width": float(width)} if star else {}), **({"depth": int(depth)} if caret else {})}
        made = _called(_user_function("network", plain), plain, seed, shape)
        if not isinstance(made, nn.Module):
            raise RequestError(f"network '{name}' must return a torch.nn.Module, got {type(made).__name__}")
        return made
    if caret:
        raise RequestError(
            f"network '{name}': the depth of '{plain}' is no choice; a function of your own may have an "
            "argument 'depth'"
        )
    return networks.create(plain, seed=seed, width=float(width) if star else 1.0)


def _called(function: Callable[..., object], name: str, seed: int, shape: Mapping[str, float]) -> object:
    known = inspect.signature(function).parameters
    for argument in shape:
        if argument not in known:
            raise RequestError(f"network '{name}': the function has no argument '{argument}'")
    return function(seed, **shape)


def load_weights(network: nn.Module, path: Path) -> None:
    """Put the weights of a safetensors file into a network. Raises `RequestError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise RequestError(f"there is no weights file '{path}'") from None
    except SafetensorError as error:
        raise RequestError(f"'{path}' is not a safetensors file, or is damaged: {error}") from None
    except RuntimeError as error:
        raise RequestError(f"the weights in '{path}' are not of this network: {error}") from None
    network_digest(str(path), network)


def load_data(name: str, data_dir: Path | None, held_out: float) -> Data:
    """The data of that name; with `held_out`, tested on that share of its training images.

    Raises `RequestError` for an unknown name or data without images, `DataError` for damaged files.
    """
    from bitwatt import datasets

    data = datasets.load(name, data_dir)
    return datasets.hold_out(data, held_out) if held_out else data


def network_digest(name: str, network: nn.Module) -> str:
    """SHA-256 of structure and first weights. Raises `RequestError` for NaN or infinite weights."""
    import torch

    found = hashlib.sha256(str(network).encode())
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise RequestError(f"network '{name}': '{key}' holds NaN or infinite weights")
        found.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        found.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return found.hexdigest()


def _user_function(kind: str, name: str):  # type: ignore[no-untyped-def]  # whatever the user wrote
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise RequestError(
            f"{kind} '{name}': cannot find the function '{function}' in the module '{module}' ({error}); "
            "the folder of the module must be the current one or on PYTHONPATH"
        ) from error
    if not callable(found):
        raise RequestError(f"{kind} '{name}' is not a function")
    return found
