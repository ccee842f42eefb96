from hypothesis import given
from hypothesis import strategies as st

from bitwatt.report.labels import Box, Mark, label_marks, place_labels

BOUNDS = Box(0, 0, 400, 300)


def test_a_label_stands_beside_its_mark() -> None:
    (label,) = label_marks([Mark(100, 100, 80, 120, "fixed8")], [], 8, 16, BOUNDS)
    assert (label.anchor, label.y) == ("start", 100)
    assert 100 < label.x < 120


def test_a_label_at_the_edge_turns_inwards() -> None:
    (label,) = label_marks([Mark(395, 100, 80, 120, "fixed8")], [], 8, 16, BOUNDS)
    assert label.anchor == "end"


def test_a_label_leaves_the_line_free() -> None:
    (label,) = label_marks([Mark(30, 100, 100, 100, "fixed8")], [(30, 100)], 8, 16, BOUNDS)
    assert abs(label.y - 100) > 8


def test_box_overlap() -> None:
    assert Box(0, 0, 10, 10).overlap(Box(5, 8, 20, 20)) == 10
    assert Box(0, 0, 10, 10).overlap(Box(10, 0, 20, 10)) == 0


# Far enough apart that there is room for all: a grid of cells with a mark somewhere in each.
@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 60)), min_size=9, max_size=9))
def test_labels_with_room_never_touch(offsets: list[tuple[float, float]]) -> None:
    anchors = [
        (20 + 130 * (n % 3) + dx / 2, 20 + 95 * (n // 3) + dy / 2) for n, (dx, dy) in enumerate(offsets)
    ]
    boxes = place_labels(anchors, [(45, 16)] * 9, [], BOUNDS)
    assert all(a.overlap(b) < 1e-3 for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.overlap(BOUNDS) > 45 * 16 - 1e-3 for box in boxes)
