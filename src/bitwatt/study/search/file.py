"""Read the `[search]` table of a TOML file. Errors name the key, the line, and the nearest key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bitwatt.errors import RequestError, unknown_name
from bitwatt.study.search.plan import SearchPlan, search_problem
from bitwatt.study.search.quantities import OBJECTIVES, parse_amount
from bitwatt.study.study_file import Source, check_recipe

_TABLE = "search"
_RECIPES = ("pretraining", "retraining")
_KEYS = ("time", *(name for name in SearchPlan.model_fields if name != "time_s"))


def read_search_file(path: str | Path, changes: Mapping[str, Any] | None = None) -> SearchPlan:
    """The search in a TOML file; `changes`, from the command line, stand over its keys.

    Raises `RequestError` with file, line, key and nearest key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path} is not TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read the search file '{path}': {error}") from None
    source = Source(path, text)
    table = document.get(_TABLE)
    if not isinstance(table, dict):
        raise RequestError(f"{path} has no table [{_TABLE}]; a study is run by `bitwatt study {path}`")
    for name in document:
        if name != _TABLE:
            raise RequestError(f"{source.at((name,), None)}: '{name}' stands outside the table [{_TABLE}]")
    values: dict[str, Any] = {}
    for key, value in table.items():
        where = source.at((_TABLE, key), None)
        if key not in _KEYS:
            raise RequestError(f"{where}: {unknown_name(f'key of [{_TABLE}]', key, _KEYS)}")
        if key in (*_RECIPES, "budget") and not isinstance(value, dict):
            raise RequestError(f"{where}: '{key}' must be a table [{_TABLE}.{key}], got {value!r}")
        if key in _RECIPES:
            check_recipe(value, (_TABLE, key), source, None)
        values["time_s" if key == "time" else key] = value
    _check_budget(values.get("budget", {}), source)
    try:
        return SearchPlan(**{**values, **(changes or {})})
    except ValidationError as error:
        key, problem = search_problem(error)
        # The plan's own checks are of no single key; their text names one.
        key = "time" if key == "time_s" else key or next((name for name in values if name in problem), "")
        raise RequestError(f"{source.at((_TABLE, key), None)}: {problem}") from None


def _check_budget(budget: Mapping[str, Any], source: Source) -> None:
    for name, amount in budget.items():
        where = source.at((_TABLE, "budget", name), None)
        if name not in OBJECTIVES:
            raise RequestError(f"{where}: {unknown_name('quantity of a budget', name, OBJECTIVES)}")
        try:
            parse_amount(name, str(amount))
        except RequestError as error:
            raise RequestError(f"{where}: {error}") from None
