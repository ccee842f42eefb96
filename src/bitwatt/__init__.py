"""bitwatt says what each bit costs: accuracy beside energy, power, area and memory, for every number format.

The names below are the public interface. Each is loaded when it is first used, so that `import bitwatt`
and the number formats need neither torch nor amaranth.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "Precision",
    "Recipe",
    "Tile",
    "cost",
    "datasets",
    "evaluate",
    "export",
    "formats",
    "load",
    "lower",
    "networks",
    "quantize",
    "train",
]

# Where each name lives. A name that is its own module stands for the module itself.
_HOME = {
    "Precision": "bitwatt.formats",
    "Recipe": "bitwatt.training",
    "Tile": "bitwatt.hardware",
    "cost": "bitwatt.costing",  # not `bitwatt.cost`: importing that module would hide the function
    "datasets": "bitwatt.datasets",
    "evaluate": "bitwatt.program",
    "export": "bitwatt.export",
    "formats": "bitwatt.formats",
    "load": "bitwatt.program",
    "lower": "bitwatt.program",
    "networks": "bitwatt.networks",
    "quantize": "bitwatt.quantization",
    "train": "bitwatt.training",
}

if TYPE_CHECKING:
    from bitwatt import datasets, export, formats, networks
    from bitwatt.costing import cost
    from bitwatt.formats import Precision
    from bitwatt.hardware import Tile
    from bitwatt.program import evaluate, load, lower
    from bitwatt.quantization import quantize
    from bitwatt.training import Recipe, train


def __getattr__(name: str) -> object:
    """The public name `name`, imported now (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'bitwatt' has no attribute '{name}'")
    home = import_module(_HOME[name])
    value = home if home.__name__ == f"bitwatt.{name}" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted([*__all__, "__version__"])
