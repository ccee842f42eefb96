"""A precision: the format of the weights and that of the activations, as one point of a study."""

from __future__ import annotations

from dataclasses import dataclass

from bitwatt.errors import RequestError, unknown_name
from bitwatt.formats.base import Format
from bitwatt.formats.binary import Binary, Ternary
from bitwatt.formats.catalogue import CATALOGUE, FORMATS
from bitwatt.formats.fixed import Fixed
from bitwatt.formats.floating import Float32
from bitwatt.formats.power_of_two import PowerOfTwo


@dataclass(frozen=True)
class Precision:
    """Formats of weights and of activations.

    Raises `RequestError` for pairs that no hardware here computes: floating point is all or nothing, and
    activations need a zero (padding and ReLU make them), which binary has not.
    """

    weights: Format
    activations: Format

    def __post_init__(self) -> None:
        for field, value in (("weights", self.weights), ("activations", self.activations)):
            if not isinstance(value, Format):
                raise RequestError(
                    f"precision: {field} must be a Format, got {value!r}; "
                    "for a name use bitwatt.formats.parse_precision"
                )
        if isinstance(self.weights, Float32) != isinstance(self.activations, Float32):
            raise RequestError(
                f"precision '{self.weights}:{self.activations}': float32 goes only with float32; "
                "a mixed multiplier is not built"
            )
        if isinstance(self.activations, Binary):
            raise RequestError(
                f"precision '{self.weights}:{self.activations}': activations need a zero "
                "(zero padding and ReLU produce it) and binary has none; use ternary or fixed2"
            )

    @property
    def is_float(self) -> bool:
        """True for float32; every other precision computes on integers."""
        return isinstance(self.weights, Float32)

    def __str__(self) -> str:
        if self.activations == default_activations(self.weights):
            return str(self.weights)
        return f"{self.weights}:{self.activations}"

    @property
    def name(self) -> str:
        """The short name where the activations are the usual ones, else `WEIGHTS:ACTIVATIONS`."""
        return str(self)


def default_activations(weights: Format) -> Format | None:
    """The activations that a bare name implies; the paper pairs weights without multipliers with 16 bits.

    None for unsigned weights, which mean nothing on their own.
    """
    if isinstance(weights, PowerOfTwo | Binary | Ternary):
        return Fixed(16)
    return weights if weights.is_signed else None


def parse_format(name: str) -> Format:
    """The format of that name, as `str(format)` writes it.

    Raises `RequestError`: what is allowed and the nearest match, or the widths of the family named.
    """
    for family in CATALOGUE:
        found = family.parse(name)
        if found is not None:
            return found
    spellings = [family.spelling for family in CATALOGUE]
    raise unknown_name("format", name, spellings, near=[str(member) for member in FORMATS])


def parse_precision(name: str) -> Precision:
    """The precision of that name: a format's name, or `WEIGHTS:ACTIVATIONS`.

    Raises `RequestError` that lists what is allowed and the nearest match.
    """
    weights_name, colon, activations_name = (part.strip() for part in name.partition(":"))
    weights = parse_format(weights_name)
    activations = parse_format(activations_name) if colon else default_activations(weights)
    if activations is None:
        raise RequestError(
            f"precision '{weights}': unsigned weights imply no activations; name both, as in "
            f"'{weights}:{weights}', or 'fixed{weights.bits}:{weights}' if only the activations were meant"
        )
    return Precision(weights, activations)


PAPER: tuple[Precision, ...] = tuple(
    parse_precision(name) for name in ("float32", "fixed32", "fixed16", "fixed8", "fixed4", "pow2", "binary")
)
"""The seven pairs of Hashemi et al., DATE 2017 (arXiv 1612.03940), in the order of its tables."""


def parse_precisions(text: str) -> tuple[Precision, ...]:
    """A comma-separated list of precisions; `paper` stands for the paper's seven. Repeats are dropped.

    Raises `RequestError` as `parse_precision` does, and for an empty name.
    """
    found: dict[Precision, None] = {}  # a set that keeps the order
    for part in (part.strip() for part in text.split(",")):
        if not part:
            raise RequestError(
                f"precisions '{text}': a name is empty; give names with commas between, as in 'paper,ternary'"
            )
        for precision in PAPER if part == "paper" else (parse_precision(part),):
            found[precision] = None
    return tuple(found)
