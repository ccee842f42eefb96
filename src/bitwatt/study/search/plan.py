"""What a search asks: network, data, objectives, budget and the space to look in, as one frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from bitwatt.errors import RequestError, unknown_name
from bitwatt.formats import Precision, parse_precision
from bitwatt.hardware.tile import PRESETS, Tile
from bitwatt.study.plan import Changes, Seed
from bitwatt.study.search.quantities import (
    ACCURACY,
    COSTS,
    OBJECTIVES,
    parse_amount,
    parse_budget,
    parse_duration,
)
from bitwatt.training import Recipe, pretraining_recipe, retraining_recipe


def _listed(value: object) -> object:
    """`a`, `["a"]` and `"a,b"` alike, as TOML and the command line write them; numbers likewise."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _layers(value: object) -> object:
    """`fc1=fixed4:fixed8,conv*=fixed6:fixed8`, as the command line writes it, as a mapping."""
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for part in value.split(","):
        pattern, _, precision = (piece.strip() for piece in part.partition("="))
        if not (pattern and precision):
            raise RequestError(
                "layers: give PATTERN=PRECISION, with commas between, as in fc1=fixed4:fixed8; got "
                f"'{part.strip()}'"
            )
        found[pattern] = precision
    return found


def _objectives(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in OBJECTIVES:
            raise unknown_name("objective", name, OBJECTIVES)
    if ACCURACY not in names or not set(names).intersection(COSTS):
        raise RequestError(
            f"objectives must be accuracy and at least one of {', '.join(COSTS)}, got {', '.join(names)}"
        )
    return names


def _budget(value: object) -> object:
    if isinstance(value, str):
        return parse_budget(value)
    if isinstance(value, Mapping):
        return {
            name: parse_amount(name, amount) if isinstance(amount, str) else amount
            for name, amount in value.items()
        }
    return value


def _seconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


Width = Annotated[float, Field(gt=0, le=64)]
Depth = Annotated[int, Field(ge=1, le=1000)]
Whole = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Names = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
Widths = Annotated[tuple[Width, ...], BeforeValidator(_listed), Field(min_length=1)]
Numbers = Annotated[tuple[Whole, ...], BeforeValidator(_listed), Field(min_length=1)]


class SearchPlan(BaseModel):
    """A search for the best network on one set of data.

    network, data: as in a study. objectives: accuracy and one or more costs, of which the first is what
    "the least" means where only one can be. budget: most of a cost, least of accuracy. precisions: "all"
    are those that the technology has characterised. layers: precisions of single layers of every network,
    by patterns on their paths. layer_precisions: whether networks are narrowed layer by layer. widths,
    depths: of the network; depths where it is a function of the user's with an argument `depth`. neurons,
    synapses, rows, buffers: of the tile, the preset's where empty. trials: networks to look at. time_s:
    after which no training is begun (the end of the command, not of what was found). slack: by how much
    training at a precision may raise a network above its own float accuracy, assumed. loss: how far below
    the float network's a network's accuracy may lie for it to be worth training. held_out: share of the
    training images to choose by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    network: str
    data: str
    objectives: Annotated[Names, AfterValidator(_objectives)] = (ACCURACY, "energy", "area")
    budget: Annotated[Mapping[str, float], BeforeValidator(_budget)] = Field(default_factory=dict)
    precisions: Names = ("all",)
    layers: Annotated[Mapping[str, str], BeforeValidator(_layers)] = Field(default_factory=dict)
    layer_precisions: bool = False
    widths: Widths = (0.25, 0.5, 0.75, 1.0, 1.5)
    depths: Annotated[tuple[Depth, ...], BeforeValidator(_listed)] = ()
    neurons: Numbers = (8, 16, 32)
    synapses: Numbers = (16,)
    rows: Numbers = (64,)
    buffers: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    preset: str = "modern"
    technology: str = "nangate45"
    trials: Whole = 40
    time_s: Annotated[Seconds | None, BeforeValidator(_seconds)] = None
    sampler: Literal["tpe", "nsga2", "random"] = "tpe"
    pruner: Literal["median", "none"] = "median"
    slack: float = Field(default=0.005, ge=0, le=1)
    loss: float = Field(default=0.1, ge=0, le=1)
    seed: Seed = 0
    held_out: float = Field(default=0.1, gt=0, lt=1)
    threads: int = Field(default=1, ge=1, le=256)
    device: Literal["cpu", "cuda"] = "cpu"
    pretraining: Changes = Field(default_factory=dict)
    retraining: Changes = Field(default_factory=dict)

    @model_validator(mode="after")
    def _settle(self) -> Self:
        # The one moment at which the record is not yet frozen for its readers.
        if not self.name:
            object.__setattr__(self, "name", f"search-{self.network}-{self.data}")
        for name, amount in self.budget.items():
            if name not in OBJECTIVES:
                raise unknown_name("quantity of a budget", name, OBJECTIVES)
            if not amount > 0:
                raise RequestError(f"budget: {name} must be above 0, got {amount}")
        if self.preset not in PRESETS:
            raise unknown_name("preset", self.preset, PRESETS)
        if not self.buffers:
            object.__setattr__(self, "buffers", (PRESETS[self.preset][0],))
        for tile in self.tile_values():
            Tile("float32", **tile)
        for precision in self.precisions:
            if precision != "all":
                self.recipe(parse_precision(precision))
        for precision in self.layers.values():
            parse_precision(precision)
        if self.layer_precisions and "memory" not in self.objectives:
            raise RequestError(
                "layer_precisions: a layer's own precision saves memory alone, the tile being the widest "
                f"layer's; name it among the objectives: {','.join((*self.objectives, 'memory'))}"
            )
        if self.layer_precisions and self.layers:
            raise RequestError(
                "layer_precisions finds the layers to narrow, and layers says which they are: give one"
            )
        self.float_recipe()
        return self

    @classmethod
    def of(cls, **values: Any) -> SearchPlan:
        """The plan of these values; raises `RequestError`, in words, in place of pydantic's error."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise RequestError(f"search: {search_problem(error)[1]}") from None

    @property
    def costs(self) -> tuple[str, ...]:
        """The objectives that are costs, in order."""
        return tuple(name for name in self.objectives if name in COSTS)

    @property
    def clock_gating(self) -> bool:
        """Whether the preset gates clocks."""
        return PRESETS[self.preset][1]

    def tile_values(self) -> list[dict[str, Any]]:
        """Each value of each of the tile's axes, alone."""
        axes = {
            "neurons": self.neurons,
            "synapses": self.synapses,
            "rows": self.rows,
            "buffers": self.buffers,
        }
        return [{name: value} for name, values in axes.items() for value in values]

    def float_recipe(self) -> Recipe:
        """The recipe of float trainings, of whatever width."""
        return _changed(pretraining_recipe(self.network), self.pretraining, self.seed)

    def recipe(self, precision: Precision) -> Recipe:
        """The recipe of the training at a precision."""
        return _changed(retraining_recipe(self.network, precision), self.retraining, self.seed)

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON values; of layers only where something is said of them."""
        unsaid = {name for name in ("layers", "layer_precisions") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=unsaid)


def _changed(default: Recipe, changes: Mapping[str, Any], seed: int) -> Recipe:
    known = default.to_dict()
    for name in changes:
        if name not in known:
            raise unknown_name("field of a recipe", name, known)
    return replace(default, **{**changes, "seed": seed})


def search_problem(error: ValidationError) -> tuple[str, str]:
    """The first thing that pydantic found: the key it is at, and what is wrong in words."""
    item = error.errors()[0]
    key = str(item["loc"][0]) if item["loc"] else ""
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, RequestError):
        return key, str(cause)
    if item["type"] == "extra_forbidden":
        return key, str(unknown_name("key", key, SearchPlan.model_fields))
    if item["type"] == "missing":
        return key, f"'{key}' is missing; a search needs 'network' and 'data'"
    return key, f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}, got {item['input']!r}"
