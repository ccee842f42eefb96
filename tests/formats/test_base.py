"""What `Format` and `nearest_by_table` do for a format that is none of ours."""

import numpy as np
import pytest

from bitwatt.formats import Format, Ternary, nearest_by_table


class TwoZeros(Ternary):
    """Ternary as sign and magnitude: code word 2 is a second zero, and not reserved."""

    def reserved(self, codes):
        return np.zeros(np.shape(codes), dtype=np.bool_)

    def decode(self, codes):
        return np.array([0.0, 1.0, -0.0, -1.0])[self._checked(codes)]


def test_search_in_the_table_takes_the_least_of_several_code_words():
    given = [-2, -0.6, -0.5, -0.0, 0.0, 0.5, 0.6, np.inf]
    assert nearest_by_table(TwoZeros(), given).tolist() == [3, 3, 0, 0, 0, 0, 1, 1]


def test_listing_leaves_out_reserved_code_words():
    assert TwoZeros().codes().tolist() == [0, 1, 2, 3]
    assert Ternary().codes().tolist() == [0, 1, 3]


def test_a_format_says_everything_that_the_contract_asks():
    abstract = Format.__abstractmethods__
    assert abstract == {
        "bits", "unit_exponent", "largest", "smallest", "__str__", "parse", "reserved", "decode", "encode",
    }  # fmt: skip
    with pytest.raises(TypeError, match="abstract"):
        Format()
