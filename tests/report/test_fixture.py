"""The invented records are what their script makes, so that nobody edits one without the other."""

import json
import runpy
from pathlib import Path

FIXTURE = Path(__file__).parent / "fixture"


def test_the_fixture_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(FIXTURE / "make_fixture.py"))["results"]()
    assert made == json.loads((FIXTURE / "invented.json").read_text())
