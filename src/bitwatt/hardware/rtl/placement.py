"""How the tile's many equal blocks are placed: each as logic of its own, or as instances of one module.

Amaranth has no module that is used twice: every component that is placed is elaborated again. That is what
its simulator wants. For Verilog one description a kind, placed hundreds of times, is quicker to make, easier
to read, and what synthesis and Verilator work best with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, Value
from amaranth.lib import wiring

Place = Callable[[Module, str, str, Callable[[], wiring.Component]], Any]
"""place(m, name, kind, make): add a block called `name` to `m`; what has its ports as attributes. All blocks
of one `kind` are equal, and `make` makes one."""


def inline(m: Module, name: str, kind: str, make: Callable[[], wiring.Component]) -> Any:
    """The component itself as a submodule."""
    component = make()
    m.submodules[name] = component
    return component


class Instances:
    """Places instances of modules, one module a kind.

    modules: the component of each kind that was placed, by the name of its module. Its clock port is `clk`;
    it has no reset.
    """

    def __init__(self) -> None:
        self.modules: dict[str, wiring.Component] = {}

    def __call__(self, m: Module, name: str, kind: str, make: Callable[[], wiring.Component]) -> Any:
        """An instance of the module `kind`."""
        if kind not in self.modules:
            self.modules[kind] = make()
        component = self.modules[kind]
        interface = component.signature.create(path=(name,))
        ports: list[tuple[str, str, object]] = [("i", "clk", ClockSignal())]
        for path, member, value in component.signature.flatten(interface):
            direction = "i" if member.flow == wiring.In else "o"
            ports.append((direction, port_name(path), Value.cast(value)))
        m.submodules[name] = Instance(kind, *ports)
        return interface


def port_name(path: tuple[str | int, ...]) -> str:
    """What a port is called in Verilog: `bin_rows_valid`, `terms_3`."""
    return "_".join(map(str, path))
