"""Number formats: which reals a code word stands for."""

from bitwatt.formats.base import EXHAUSTIBLE_BITS, Codes, Format, Values, nearest_by_table
from bitwatt.formats.binary import Binary, Ternary
from bitwatt.formats.catalogue import CATALOGUE, FORMATS
from bitwatt.formats.fixed import Fixed
from bitwatt.formats.floating import Float32, Minifloat
from bitwatt.formats.power_of_two import PowerOfTwo
from bitwatt.formats.precision import (
    PAPER,
    Precision,
    default_activations,
    parse_format,
    parse_precision,
    parse_precisions,
)

__all__ = [
    "CATALOGUE",
    "EXHAUSTIBLE_BITS",
    "FORMATS",
    "PAPER",
    "Binary",
    "Codes",
    "Fixed",
    "Float32",
    "Format",
    "Minifloat",
    "PowerOfTwo",
    "Precision",
    "Ternary",
    "Values",
    "default_activations",
    "nearest_by_table",
    "parse_format",
    "parse_precision",
    "parse_precisions",
]
