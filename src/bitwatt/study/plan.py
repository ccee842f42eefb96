"""What a study asks: networks, data, precisions, seeds, recipes and the tile, as one frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bitwatt.errors import RequestError, unknown_name
from bitwatt.formats import parse_precision, parse_precisions
from bitwatt.study.stages import named
from bitwatt.study.tile_plan import TilePlan
from bitwatt.training import Recipe, pretraining_recipe, retraining_recipe


def _listed(value: object) -> object:
    """`a` and `["a"]` and `"a,b"` alike, as TOML and the command line write them."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


def _precision_names(value: object) -> object:
    listed = _listed(value)
    if isinstance(listed, list | tuple) and all(isinstance(part, str) for part in listed):
        return tuple(str(precision) for precision in parse_precisions(",".join(listed)))
    return listed


def _changes(value: object) -> object:
    """A whole recipe is a change of everything but the seed, which is each stage's own."""
    if isinstance(value, Recipe):
        return {name: kept for name, kept in value.to_dict().items() if name != "seed"}
    return value


Changes = Annotated[Mapping[str, Any], BeforeValidator(_changes)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
PrecisionNames = Annotated[tuple[str, ...], BeforeValidator(_precision_names), Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[tuple[Seed, ...], BeforeValidator(_listed), Field(min_length=1)]


class StudyPlan(BaseModel):
    """A study of networks on one set of data.

    networks: names, or `module:function` of the user's own. data: a name, `module:function` or a file.
    precisions: names; `paper` stands for seven. seeds: each is a whole repetition, weights and order of
    images. pretraining, retraining: what differs from the recipes that `bitwatt.training` has for each
    network and precision (a `Recipe` differs in everything); retraining_of: further differences of single
    precisions. methods: ways to train at a precision that are compared side by side, by name, each by what
    differs from the recipe without it; methods_of: further differences of single precisions, by name and
    precision. Each method makes points of its own, all from one float training. tile, technology: what the
    points are costed on; other_presets: further presets to cost them on. threads: torch's, for each point;
    fixed by the plan, because the order of additions, and so the last bits, depend on it. device: where
    training runs.
    held_out: share of the training images to test on in the place of the test images, for choosing by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str = ""
    networks: Names
    data: str
    precisions: PrecisionNames = Field(default=("paper",), validate_default=True)
    seeds: Seeds = (0,)
    pretraining: Changes = Field(default_factory=dict)
    retraining: Changes = Field(default_factory=dict)
    retraining_of: Mapping[str, Changes] = Field(default_factory=dict)
    methods: Mapping[str, Changes] = Field(default_factory=dict)
    methods_of: Mapping[str, Mapping[str, Changes]] = Field(default_factory=dict)
    tile: TilePlan = TilePlan()
    other_presets: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    technology: str = "nangate45"
    threads: int = Field(default=1, ge=1, le=256)
    device: Literal["cpu", "cuda"] = "cpu"
    held_out: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _settle(self) -> Self:
        if not self.name:
            # The one moment at which the record is not yet frozen for its readers.
            object.__setattr__(self, "name", "-".join((*self.networks, self.data)))
        for precision in self.precisions:
            for preset in (self.tile.preset, *self.other_presets):
                self.tile.tile(precision, preset)
        for network in self.networks:
            self.pretraining_recipe(network)
            for precision in self.precisions:
                for method in self.method_names:
                    self.retraining_recipe(network, precision, method)
        self._check_precisions("retraining", self.retraining_of)
        for method, changes in self.methods_of.items():
            if method not in self.methods:
                raise unknown_name("method", method, self.methods)
            self._check_precisions(f"methods.{method}", changes)
        return self

    def _check_precisions(self, table: str, changes: Mapping[str, Changes]) -> None:
        for precision in changes:
            if str(parse_precision(precision)) not in self.precisions:
                raise unknown_name(f"precision of [{table}]", precision, self.precisions)

    @property
    def method_names(self) -> tuple[str, ...]:
        """The methods to compare; one without a name where the plan has none."""
        return tuple(self.methods) or ("",)

    @classmethod
    def of(cls, **values: Any) -> StudyPlan:
        """The plan of these values; raises `RequestError`, in words, in place of pydantic's error."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise RequestError(f"study: {problem(error)[1]}") from None

    def pretraining_recipe(self, network: str) -> Recipe:
        """The recipe of a network's float training; the seed is put in by each stage."""
        return _changed(pretraining_recipe(network), self.pretraining)

    def retraining_recipe(self, network: str, precision: str, method: str = "") -> Recipe:
        """The recipe of its training at a precision, by a method of the plan; the seed likewise."""
        default = retraining_recipe(network, parse_precision(precision))
        changes = {**self.retraining, **self.retraining_of.get(precision, {})}
        if method:
            changes |= {**self.methods[method], **self.methods_of.get(method, {}).get(precision, {})}
        return _changed(default, changes)

    def recipes(self) -> dict[str, Any]:
        """Every recipe in full but for its seed, by network and precision."""

        def plain(recipe: Recipe) -> object:
            return _changes(recipe)

        return {
            "pretraining": {network: plain(self.pretraining_recipe(network)) for network in self.networks},
            "retraining": {
                named(network, method): {
                    precision: plain(self.retraining_recipe(network, precision, method))
                    for precision in self.precisions
                    if not parse_precision(precision).is_float
                }
                for network in self.networks
                for method in self.method_names
            },
        }

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return self.model_dump(mode="json")


def _changed(default: Recipe, changes: Mapping[str, Any]) -> Recipe:
    known = default.to_dict()
    for name in changes:
        if name not in known:
            raise unknown_name("field of a recipe", name, known)
    return replace(default, **changes)


def problem(error: ValidationError) -> tuple[tuple[str, ...], str]:
    """The first thing that pydantic found: the key it is at, and `key: what is wrong, got what`."""
    item = error.errors()[0]
    keys = tuple(part for part in item["loc"] if isinstance(part, str) and part in _KEYS)
    where = ".".join(keys)
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, RequestError):
        return keys, str(cause)
    if item["type"] == "extra_forbidden":
        key = str(item["loc"][-1])
        known = TilePlan.model_fields if "tile" in keys else StudyPlan.model_fields
        return keys, str(unknown_name("key", key, known))
    if item["type"] == "missing":
        return keys, f"'{where}' is missing; a study needs 'network' and 'data'"
    return keys, f"{where}: {item['msg'][0].lower()}{item['msg'][1:]}, got {item['input']!r}"


_KEYS = {*StudyPlan.model_fields, *TilePlan.model_fields}
