from itertools import product

import pytest

from bitwatt.errors import DataError
from bitwatt.technology.boolean import parse_expression


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("!(A & (B | C))", lambda A, B, C: not (A and (B or C))),
        ("(A B)' + C", lambda A, B, C: not (A and B) or C),
        ("A * !B | C", lambda A, B, C: (A and not B) or C),
        ("A ^ B & C", lambda A, B, C: (A != B) and C),  # xor binds stronger than and
        ("!A ^ B | C", lambda A, B, C: ((not A) != B) or C),
        ("A'' & (B) & (C | 0) & 1", lambda A, B, C: A and B and C),
    ],
)
def test_every_row_of_the_truth_table(text, model):
    expression = parse_expression(text)
    assert set(expression.names) == {"A", "B", "C"}
    rows = list(product([False, True], repeat=3))
    columns = {name: sum(row[i] << r for r, row in enumerate(rows)) for i, name in enumerate("ABC")}
    got = expression(0xFF, *(columns[name] for name in expression.names))
    assert got == sum(bool(model(*row)) << r for r, row in enumerate(rows))


def test_single_pin():
    assert parse_expression("(IQ)").single_pin() == "IQ"
    assert parse_expression("!IQ").single_pin() is None
    assert parse_expression("A & B").single_pin() is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A &", "the liberty expression 'A &' lacks an operand before ''"),
        ("(A | B", "the liberty expression '(A | B' lacks a ')' before ''"),
        ("A ? B", "the liberty expression 'A ? B' does not parse at ' ? B'"),
        ("A) | B", "the liberty expression 'A) | B' does not parse at ')'"),
    ],
)
def test_errors(text, message):
    with pytest.raises(DataError) as caught:
        parse_expression(text)
    assert str(caught.value) == message
