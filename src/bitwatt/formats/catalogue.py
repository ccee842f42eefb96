"""The families bitwatt knows, and the members that tables and tests go through. To add one: one line here."""

from __future__ import annotations

from bitwatt.formats.base import Format
from bitwatt.formats.binary import Binary, Ternary
from bitwatt.formats.fixed import Fixed
from bitwatt.formats.floating import Float32, Minifloat
from bitwatt.formats.power_of_two import PowerOfTwo

CATALOGUE: dict[type[Format], tuple[Format, ...]] = {
    Float32: (Float32(),),
    Fixed: (
        *(Fixed(bits) for bits in (32, 16, 8, 6, 4, 3, 2)),
        *(Fixed(bits, signed=False) for bits in (16, 8, 4, 2)),
    ),
    PowerOfTwo: tuple(PowerOfTwo(bits) for bits in (6, 5, 4, 3)),
    Binary: (Binary(),),
    Ternary: (Ternary(),),
    Minifloat: tuple(Minifloat(e, m) for e, m in ((5, 2), (4, 3), (3, 2), (2, 3), (2, 1))),
}

FORMATS: tuple[Format, ...] = tuple(member for members in CATALOGUE.values() for member in members)
