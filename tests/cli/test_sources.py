"""Where costs come from, each statement once."""

from bitwatt.cli.sources import source_lines


def test_each_statement_once_with_what_rests_on_it() -> None:
    gates = "synthesised: {} cells, synthesised by pyosys 0.70; glitches by cell delays; operands assumed: {}"
    provenance = {
        "adder_trees": gates.format(12, "synthetic; a new sum each 25 cycles"),
        "control": gates.format(345, "synthetic; every cycle"),
        "sb": "table: two banks of 4 macros of 32 x 64 bits, CACTI 7; what selects between them: "
        "synthesised: 7 cells, synthesised by pyosys 0.70, scaled from 16 to 256 bits",
        "power": "full load; assumed",
    }
    parts = {"adder_trees", "control", "sb"}
    assert source_lines((provenance, parts), (provenance, parts)) == [
        "sources (each figure's in full: --json)",
        "- adder trees, control: synthesised by pyosys 0.70",
        "- adder trees, control: glitches by cell delays",
        "- adder trees, control: operands assumed: synthetic",
        "- sb: table: two banks of macros, CACTI 7",
        "- sb: what selects between them: synthesised by pyosys 0.70, scaled from 16 bits",
        "- power: full load; assumed",
    ]


def test_what_all_components_rest_on_says_so() -> None:
    assert source_lines(({"bin": "one", "sb": "one; two"}, {"bin", "sb"}))[1:] == [
        "- every component: one",
        "- sb: two",
    ]
