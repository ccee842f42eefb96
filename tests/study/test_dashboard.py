"""`optuna-dashboard` opens a study's database as it is: its points are trials, with values and artifacts."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import pytest
from engine import PLAN, run_engine
from optuna.storages import RDBStorage

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("optuna_dashboard") is None, reason="optuna-dashboard is not installed"
    ),
    pytest.mark.filterwarnings("ignore"),  # its own
]


def get(app: Any, path: str) -> Any:
    """What the dashboard answers to a browser, without a socket."""
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    body = b"".join(app(environ, lambda status, *_: statuses.append(status)))
    assert statuses == ["200 OK"]
    return json.loads(body)


def test_points_are_trials_with_their_values(tmp_path: Path) -> None:
    from optuna_dashboard import wsgi

    results, _, _ = run_engine(tmp_path, workers=2)
    storage = RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    try:
        app = wsgi(storage)
        summary = get(app, "/api/studies")["study_summaries"]
        assert [study["study_name"] for study in summary] == [PLAN.name]
        study = get(app, f"/api/studies/{summary[0]['study_id']}")
    finally:
        storage.engine.dispose()
    assert study["directions"] == ["maximize", "minimize"]
    assert study["objective_names"] == ["accuracy", "energy_j"]
    shown = {}
    for trial in study["trials"]:
        assert trial["state"] == "Complete"
        assert len(trial["artifacts"]) == 1
        attributes = {item["key"]: item["value"] for item in trial["user_attrs"]}
        seed = next(item["param_external_value"] for item in trial["params"] if item["name"] == "seed")
        shown[attributes["precision"], int(seed)] = trial["values"]
    assert shown == {
        (point.precision, point.seed): [point.accuracy, point.energy_j] for point in results.points
    }
