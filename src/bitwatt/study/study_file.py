"""Read `study.toml`. Errors name the key, the line, and the nearest key that there is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bitwatt.errors import RequestError, unknown_name
from bitwatt.formats import parse_precision
from bitwatt.study.plan import StudyPlan, problem
from bitwatt.study.tile_plan import TilePlan
from bitwatt.training import Recipe
from bitwatt.training.defaults import OTHER

_PLAN_KEYS = tuple(key for key in StudyPlan.model_fields if key not in ("retraining_of", "methods_of"))
_RECIPES = ("pretraining", "retraining")
_HEADER = re.compile(r"^\s*(\[\[?)\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*(?P<key>[\w\"'.+:*-]+)\s*=")


def read_study_file(path: str | Path) -> tuple[StudyPlan, ...]:
    """The plans in a TOML file: one, or one for each `[[study]]`, whose keys then stand over the file's own.

    Raises `RequestError` with file, line, key and nearest key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path} is not TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read the study file '{path}': {error}") from None
    tables = document.pop("study", None)
    source = Source(path, text)
    if tables is None:
        return (_plan(document, source, None),)
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise RequestError(f"{source.at(('study',), None)}: 'study' must be tables, each begun by [[study]]")
    plans = tuple(_plan(_over(document, table), source, index) for index, table in enumerate(tables))
    names = [plan.name for plan in plans]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(f"{path}: two studies are named '{name}'; give each a 'name' of its own")
    return plans


class Source:
    """The text of the file, to find the line that a key is on."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def at(self, keys: Sequence[str], study: int | None) -> str:
        """`FILE, line N` of the key with that path: in that `[[study]]` if there, else of the file's own."""
        own = ("study", str(study), *keys) if study is not None else tuple(keys)
        found = self._positions()
        for wanted in (own, tuple(keys)):
            # A key in an inline table has no line of its own: the table's will do.
            for length in range(len(wanted), len(wanted) - len(keys), -1):
                if wanted[:length] in found:
                    return f"{self._path}, line {found[wanted[:length]]}"
        return str(self._path)

    def _positions(self) -> dict[tuple[str, ...], int]:
        found: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        studies = -1
        for number, line in enumerate(self._lines, 1):
            if header := _HEADER.match(line):
                table = _parts(header["name"])
                if table == ("study",):
                    studies += 1
                if table[0] == "study":
                    table = ("study", str(studies), *table[1:])
                found.setdefault(table, number)
            elif key := _KEY.match(line):
                for length in range(1, len(_parts(key["key"])) + 1):
                    found.setdefault((*table, *_parts(key["key"])[:length]), number)
        return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", dotted))


def _over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _plan(document: Mapping[str, Any], source: Source, study: int | None) -> StudyPlan:
    values = dict(document)
    # One network is the usual case, and reads better in the singular.
    if "network" in values and "networks" not in values:
        values["networks"] = values.pop("network")
    for key in values:
        if key not in _PLAN_KEYS:
            unknown = unknown_name("key", key, ("network", *_PLAN_KEYS))
            raise RequestError(f"{source.at((key,), study)}: {unknown}")
    for name in _RECIPES:
        if name in values:
            own, special = _recipe_table((name,), values.pop(name), source, study)
            if special and name == "pretraining":
                where = source.at((name, next(iter(special))), study)
                raise RequestError(
                    f"{where}: the float training has one recipe; [retraining.PRECISION] may differ"
                )
            values[name] = own
            if special:
                values["retraining_of"] = special
    if "methods" in values:
        values |= _methods(values["methods"], source, study)
    if "tile" in values:
        _check_tile(values["tile"], source, study)
    try:
        return StudyPlan(**values)
    except ValidationError as error:
        keys, text = problem(error)
        if keys == ("networks",) and "network" in document:
            keys = ("network",)
        raise RequestError(f"{source.at(keys, study)}: {text}") from None


def _check_tile(table: Any, source: Source, study: int | None) -> None:
    _check_keys(table, tuple(TilePlan.model_fields), ("tile",), source, study)
    try:
        TilePlan(**table).tile("float32")
    except ValidationError as error:
        item = error.errors()[0]
        key = str(item["loc"][0])
        where = source.at(("tile", key), study)
        raise RequestError(f"{where}: {key}: {item['msg'].lower()}, got {item['input']!r}") from None
    except RequestError as error:
        # The tile says which of its values it cannot have; a line of the file has it.
        key = next((key for key in table if key in str(error)), "")
        raise RequestError(f"{source.at(('tile', key), study)}: {error}") from None


def _methods(table: Any, source: Source, study: int | None) -> dict[str, Any]:
    """What each `[methods.NAME]` changes, and each `[methods.NAME.PRECISION]`."""
    if not isinstance(table, dict) or not all(isinstance(changes, dict) for changes in table.values()):
        where = source.at(("methods",), study)
        raise RequestError(f"{where}: 'methods' must be tables, each begun by [methods.NAME]")
    read = {name: _recipe_table(("methods", name), changes, source, study) for name, changes in table.items()}
    return {
        "methods": {name: own for name, (own, _) in read.items()},
        "methods_of": {name: special for name, (_, special) in read.items() if special},
    }


def _recipe_table(
    where: tuple[str, ...], table: Any, source: Source, study: int | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `[where]` changes of the default recipes, and what `[where.PRECISION]` changes of single ones."""
    if not isinstance(table, dict):
        name = ".".join(where)
        raise RequestError(f"{source.at(where, study)}: {name} must be a table [{name}], got {table!r}")
    own = {key: value for key, value in table.items() if not isinstance(value, dict)}
    check_recipe(own, where, source, study)
    special: dict[str, Any] = {}
    for precision, changes in table.items():
        if not isinstance(changes, dict):
            continue
        path = (*where, precision)
        try:
            canonical = str(parse_precision(precision))
        except RequestError as error:
            raise RequestError(f"{source.at(path, study)}: {error}") from None
        check_recipe(changes, path, source, study)
        special[canonical] = changes
    return own, special


def check_recipe(
    changes: Mapping[str, Any], where: tuple[str, ...], source: Source, study: int | None
) -> None:
    """Look at what the table at `where` changes of a recipe. Raises `RequestError` with the line."""
    known = tuple(field.name for field in fields(Recipe) if field.name != "seed")  # seeds are the study's
    if "seed" in changes:
        line = source.at((*where, "seed"), study)
        raise RequestError(f"{line}: a recipe in a study has no seed; write 'seeds = [...]' for the study")
    _check_keys(changes, known, where, source, study)
    hints = get_type_hints(Recipe)
    for key, value in changes.items():
        try:
            TypeAdapter(hints[key], config=ConfigDict(strict=True)).validate_python(value)
        except ValidationError as error:
            raise RequestError(
                f"{source.at((*where, key), study)}: {key}: {error.errors()[0]['msg'].lower()}, got {value!r}"
            ) from None
    try:
        replace(OTHER, **changes)
    except RequestError as error:
        raise RequestError(f"{source.at(where, study)}: {error}") from None


def _check_keys(
    table: Any, known: tuple[str, ...], where: tuple[str, ...], source: Source, study: int | None
) -> None:
    if not isinstance(table, dict):
        raise RequestError(f"{source.at(where, study)}: '{where[-1]}' must be a table, got {table!r}")
    for key in table:
        if key not in known:
            unknown = unknown_name(f"key of [{'.'.join(where)}]", key, known)
            raise RequestError(f"{source.at((*where, key), study)}: {unknown}")
