"""The memories of Bin, Bout and SB: of flip-flops, or two banks of single-port macros that take turns.

A macro of one port does one thing a cycle. A row lies in the bank that the lowest bit of its address names,
so that a bank is read while the other is written: rows that follow each other are in different banks. Whoever
drives the two must not ask both of one bank in one cycle (`same_bank`): in Bin and SB writing waits, in Bout
reading does. Neither costs a cycle of a pass: where reading follows writing as closely as it can, the two are
in different banks anyway, and where they are further apart there is a row in hand. That needs an even number
of rows, so that the last and the first differ too.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Member, Out

from bitwatt.hardware.tile import Tile


def _ports(rows: int, width: int) -> dict[str, Member]:
    address = max((rows - 1).bit_length(), 1)
    return {
        "write_enable": In(1),
        "write_row": In(address),
        "write_data": In(width),
        "read_enable": In(1),
        "read_row": In(address),
        "read_data": Out(width),
    }


class FlipFlopMemory(wiring.Component):  # type: ignore[misc]
    """`rows` words of `width` bits, one write port and one registered read port.

    A row that is read in the cycle in which it is written gives its old word. Read data stay while
    `read_enable` is low. Every row's flip-flops share one enable, (write_enable and write_row == row), and
    the read register has another: synthesis makes of each either a clock gate or a multiplexer a bit.
    """

    def __init__(self, rows: int, width: int) -> None:
        self.rows = rows
        self.width = width
        super().__init__(_ports(rows, width))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self.width, depth=self.rows, init=[])
        write, read = words.write_port(), words.read_port()
        m.d.comb += [
            write.en.eq(self.write_enable),
            write.addr.eq(self.write_row),
            write.data.eq(self.write_data),
            read.en.eq(self.read_enable),
            read.addr.eq(self.read_row),
            self.read_data.eq(read.data),
        ]
        return m


class SinglePortMemory(wiring.Component):  # type: ignore[misc]
    """What an SRAM macro does: in a cycle with `enable`, a row is written or, where not `write`, read.

    Read data stay until the next row is read.
    """

    def __init__(self, rows: int, width: int) -> None:
        self.rows = rows
        self.width = width
        super().__init__(
            {
                "enable": In(1),
                "write": In(1),
                "row": In(max((rows - 1).bit_length(), 1)),
                "write_data": In(width),
                "read_data": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = memory.Memory(shape=self.width, depth=self.rows, init=[])
        write, read = words.write_port(), words.read_port()
        m.d.comb += [
            write.en.eq(self.enable & self.write),
            read.en.eq(self.enable & ~self.write),
            write.addr.eq(self.row),
            read.addr.eq(self.row),
            write.data.eq(self.write_data),
            self.read_data.eq(read.data),
        ]
        return m


class BankSelect(wiring.Component):  # type: ignore[misc]
    """The row that was read, out of the bank that it was in. `odd` is taken where `enable` is high."""

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__(
            {
                "odd": In(1),
                "enable": In(1),
                "even_row": In(width),
                "odd_row": In(width),
                "row": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        odd = Signal(reset_less=True)
        with m.If(self.enable):
            m.d.sync += odd.eq(self.odd)
        m.d.comb += self.row.eq(Mux(odd, self.odd_row, self.even_row))
        return m


class BankedMemory(wiring.Component):  # type: ignore[misc]
    """`rows` words of `width` bits in two banks of single-port memory; the ports of `FlipFlopMemory`.

    Reading and writing in one cycle must be of different banks.
    """

    def __init__(self, rows: int, width: int) -> None:
        self.rows = rows
        self.width = width
        super().__init__(_ports(rows, width))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.select = select = BankSelect(self.width)
        for bank in (0, 1):
            words = SinglePortMemory(self.rows // 2, self.width)
            m.submodules[f"bank_{bank}"] = words
            reading = self.read_enable & (self.read_row[0] == bank)
            writing = self.write_enable & (self.write_row[0] == bank)
            m.d.comb += [
                words.enable.eq(reading | writing),
                words.write.eq(writing),
                words.row.eq(Mux(writing, self.write_row[1:], self.read_row[1:])),
                words.write_data.eq(self.write_data),
                (select.odd_row if bank else select.even_row).eq(words.read_data),
            ]
        m.d.comb += [
            select.odd.eq(self.read_row[0]),
            select.enable.eq(self.read_enable),
            self.read_data.eq(select.row),
        ]
        return m


def buffer_memory(tile: Tile, width: int) -> FlipFlopMemory | BankedMemory:
    """The memory of one of a tile's buffers, `width` bits a row."""
    return (BankedMemory if tile.buffers == "sram" else FlipFlopMemory)(tile.rows, width)


def same_bank(read_row: Value, write_row: Value) -> Value:
    """Whether two rows lie in one bank."""
    return read_row[0] == write_row[0]
