"""The table of formats: its facts, how it writes numbers, and that the README holds the present one."""

from pathlib import Path

import pytest

from bitwatt.formats import FORMATS, parse_format, parse_precision
from bitwatt.formats.table import FormatRow, format_rows, markdown_table, real_text

README = Path(__file__).parents[2] / "README.md"


def test_readme_holds_the_present_table():
    text = README.read_text(encoding="utf-8")
    assert text.count("<!-- formats:begin -->\n") == text.count("\n<!-- formats:end -->") == 1
    held = text.split("<!-- formats:begin -->\n")[1].split("\n<!-- formats:end -->")[0]
    assert held == markdown_table(), "run scripts/update_readme.py"


def test_one_row_a_format():
    assert [parse_format(row.name) for row in format_rows()] == list(FORMATS)
    rows = {row.name: row for row in format_rows()}
    assert rows["fixed8"] == FormatRow("fixed8", "fixed point", 8, -128, 127, 0, True, "fixed8:fixed8")
    assert rows["binary"] == FormatRow("binary", "binary", 1, -1, 1, 0, False, "binary:fixed16")
    assert rows["ufixed8"] == FormatRow("ufixed8", "fixed point", 8, 0, 255, 0, True, None)
    assert rows["e4m3"] == FormatRow("e4m3", "small floating point", 8, -448, 448, -9, True, "e4m3:e4m3")
    assert [row.name for row in format_rows() if not row.has_zero] == ["binary"]


def test_the_precision_is_what_the_bare_name_stands_for():
    for row in format_rows():
        if row.precision is not None:
            assert parse_precision(row.precision) == parse_precision(row.name)


def test_markdown_has_a_line_a_row_and_as_many_cells():
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(format_rows())
    assert {line.count("|") for line in lines} == {9}
    assert "| `fixed32` | fixed point | 32 | -2^31 | 2^31 - 1 | 1 | yes | `fixed32:fixed32` |" in lines
    assert "| `ufixed8` | fixed point | 8 | 0 | 255 | 1 | yes | name both, as in `fixed8:ufixed8` |" in lines


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0"),
        (-7.5, "-7.5"),
        (65535.0, "65535"),
        (2.0**31 - 1, "2^31 - 1"),
        (2.0**32 - 1, "2^32 - 1"),
        (-(2.0**31), "-2^31"),
        (2.0**-149, "2^-149"),
        (-(2.0**-16), "-2^-16"),
        (3.4028234663852886e38, "3.403e+38"),
        (1234567.5, "1.235e+06"),
    ],
)
def test_numbers_as_people_write_them(value, text):
    assert real_text(value) == text
