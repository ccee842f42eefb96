"""What is spaced takes a twentieth of the time, worked out by hand."""

from __future__ import annotations

from bitwatt.study.spaced import Spaced


def test_a_twentieth_of_the_time() -> None:
    now = 0.0
    done: list[float] = []

    def draw(value: float) -> None:
        nonlocal now
        done.append(value)
        now += 2.0

    spaced = Spaced(draw, lambda: now)
    spaced(0.0)
    while now < 100:
        spaced(now)
        now += 1.0
    assert done == [0.0, 40.0, 80.0]  # 2 s each, 40 s apart
