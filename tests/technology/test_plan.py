import dataclasses

import pytest

from bitwatt.errors import RequestError
from bitwatt.technology import plan as plan_module
from bitwatt.technology.liberty import parse_liberty
from bitwatt.technology.plan import plan_synthesis

RTL = """\
attribute \\src "somewhere/a/mul.py:7"
module \\top
  attribute \\src "somewhere/a/mul.py:8"
  wire \\a
end
"""


@pytest.fixture(autouse=True)
def _version(monkeypatch):
    monkeypatch.setattr(plan_module, "yosys_version", lambda: "0.70")


def digest(tiny, **changes):
    request = {"name": "n", "rtlil": RTL, "top": "top", "library": tiny, "clock_hz": 250e6} | changes
    return plan_synthesis(**request).digest


def test_the_digest_covers_what_decides_the_netlist(tiny, tiny_text, monkeypatch):
    base = digest(tiny)
    other = parse_liberty(tiny_text.replace("area : 2;", "area : 3;"), "tiny.lib")
    changed = [
        digest(tiny, rtlil=RTL.replace("\\a", "\\b")),
        digest(tiny, clock_hz=500e6),
        digest(tiny, clock_gating=True),
        digest(other),
    ]
    monkeypatch.setattr(plan_module, "yosys_version", lambda: "0.71")
    changed.append(digest(tiny))
    assert len({base, *changed}) == 6


def test_the_digest_covers_nothing_else(tiny, tiny_text):
    elsewhere = parse_liberty(tiny_text, "/another/folder/tiny.lib")
    moved = RTL.replace("somewhere/a/mul.py:7", "C:/b/mul.py:99")
    assert digest(tiny) == digest(elsewhere, rtlil=moved, name="another name")


def test_the_script_says_the_clock_and_the_gates(tiny):
    plan = plan_synthesis("n", RTL, "top", tiny, 400e6, clock_gating=True)
    assert "abc -liberty cells.lib -constr abc.constr -D 2125\n" in plan.script
    assert "set_driving_cell INV\n" in plan.script
    assert "clockgate -liberty cells.lib\ndfflibmap -liberty cells.lib\n" in plan.script
    assert "clockgate" not in plan_synthesis("n", RTL, "top", tiny, 400e6).script
    assert dataclasses.replace(plan, script="").script_sha256 != plan.script_sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top": "a b"}, "block 'n': the top module must be a plain identifier, got 'a b'"),
        ({"top": "other"}, "block 'n': its RTL defines no module 'other'"),
        ({"clock_hz": 0.0}, "block 'n': clock_hz must lie between 0 and 1e12, got 0.0"),
    ],
)
def test_errors(tiny, changes, message):
    with pytest.raises(RequestError) as caught:
        digest(tiny, **changes)
    assert str(caught.value) == message
