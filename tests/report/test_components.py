import pytest

from bitwatt.report.components import COMPONENTS, Component, component, stacking_order


def luminance(color: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("part", [*COMPONENTS, component("other")], ids=lambda part: part.key)
def test_text_reads_on_every_colour(part: Component) -> None:
    assert contrast(part.color, part.ink) >= 4.5


def test_members_of_a_family_differ_in_grey_print() -> None:
    for family in {part.family for part in COMPONENTS}:
        levels = [part.color for part in COMPONENTS if part.family == family]
        assert all(contrast(a, b) >= 1.3 for i, a in enumerate(levels) for b in levels[:i])


def test_an_unknown_component_keeps_its_name() -> None:
    assert component("residual_adder").label == "residual adder"
    assert stacking_order(["zz", "clock", "aa", "weight_blocks"]) == ["weight_blocks", "clock", "aa", "zz"]
