"""Liberty's boolean expressions, compiled to arithmetic on integers of many bits.

Every bit of an operand is an independent sample (a cycle, a stream), so one evaluation of `!(A & B)` on
integers of 4096 bits gives 4096 answers at once.

Grammar (Liberty Reference Manual, "function" attribute), strongest first: `!a` and `a'`, `^`, `&` `*` or
mere juxtaposition, `|` `+`; constants 0 and 1.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from bitwatt.errors import DataError

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.]*(?:\[\d+\])?)|([01])(?!\w)|([!'^&*|+()]))")

Evaluate = Callable[..., int]


@dataclass(frozen=True)
class Expression:
    """A parsed expression: its `text`, and `names`, the pins it depends on in order of appearance."""

    text: str
    names: tuple[str, ...]
    _evaluate: Evaluate

    def __call__(self, ones: int, *values: int) -> int:
        """The value, given `ones` (all bits in use set) and one integer for each of `names`."""
        return self._evaluate(ones, *values)

    def single_pin(self) -> str | None:
        """The pin's name where the expression is just one pin, not inverted; else None."""
        return self.names[0] if self.text.strip("() ") in self.names else None


@lru_cache(maxsize=4096)
def parse_expression(text: str) -> Expression:
    """Parse an expression such as `!(A1 & (B1 | B2))`.

    Raises `DataError` naming the expression when it does not parse.
    """
    tokens: list[str] = []
    position = 0
    stripped = text.strip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise DataError(f"the liberty expression '{text}' does not parse at '{stripped[position:]}'")
        tokens.append(match.group().strip())
        position = match.end()
    parser = _Parser(text, tokens)
    body = parser.either()
    if parser.tokens:
        raise DataError(f"the liberty expression '{text}' does not parse at '{parser.tokens[0]}'")
    # The source holds only operators and the positional names v0, v1, ...: nothing of the file's own text.
    arguments = ", ".join(["ones", *(f"v{i}" for i in range(len(parser.names)))])
    evaluate: Evaluate = eval(f"lambda {arguments}: {body}")
    return Expression(stripped, tuple(parser.names), evaluate)


class _Parser:
    """Recursive descent; each method returns Python source."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self.text = text
        self.tokens = tokens
        self.names: list[str] = []

    def _peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def either(self) -> str:
        terms = [self.both()]
        while self._peek() in ("|", "+"):
            self.tokens.pop(0)
            terms.append(self.both())
        return f"({' | '.join(terms)})" if len(terms) > 1 else terms[0]

    def both(self) -> str:
        terms = [self.exclusive()]
        while True:
            token = self._peek()
            if token in ("&", "*"):
                self.tokens.pop(0)
            elif not (token in ("!", "(") or token[:1].isalnum() or token[:1] == "_"):
                break
            terms.append(self.exclusive())
        return f"({' & '.join(terms)})" if len(terms) > 1 else terms[0]

    def exclusive(self) -> str:
        terms = [self.inversion()]
        while self._peek() == "^":
            self.tokens.pop(0)
            terms.append(self.inversion())
        return f"({' ^ '.join(terms)})" if len(terms) > 1 else terms[0]

    def inversion(self) -> str:
        if self._peek() == "!":
            self.tokens.pop(0)
            return f"(ones ^ {self.inversion()})"
        source = self.atom()
        while self._peek() == "'":
            self.tokens.pop(0)
            source = f"(ones ^ {source})"
        return source

    def atom(self) -> str:
        token = self.tokens.pop(0) if self.tokens else ""
        if token == "(":
            source = self.either()
            if (closing := self.tokens.pop(0) if self.tokens else "") != ")":
                raise DataError(f"the liberty expression '{self.text}' lacks a ')' before '{closing}'")
            return source
        if token == "0":
            return "0"
        if token == "1":
            return "ones"
        if not token or token in "!'^&*|+)":
            raise DataError(f"the liberty expression '{self.text}' lacks an operand before '{token}'")
        if token not in self.names:
            self.names.append(token)
        return f"v{self.names.index(token)}"
