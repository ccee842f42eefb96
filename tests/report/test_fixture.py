"""The invented records are what their script makes, so that nobody edits one without the other."""

import json
import runpy
from pathlib import Path

from bitwatt.report.records import check_results
from bitwatt.study.results import Results

FIXTURE = Path(__file__).parent / "fixture"


def test_the_fixture_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(FIXTURE / "make_fixture.py"))["results"]()
    assert made == json.loads((FIXTURE / "invented.json").read_text())


def test_what_a_study_writes_is_what_a_report_reads() -> None:
    text = (FIXTURE / "invented.json").read_text()
    written = Results.model_validate_json(text)
    check_results(json.loads(written.text()))
