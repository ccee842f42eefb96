"""What results/ holds of the published study, and the facts in it. Imported by `findings.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitwatt.formats import PAPER
from bitwatt.report.facts import Facts, Group, facts
from bitwatt.report.plane import Plane, plane
from bitwatt.report.prose import data_phrase, network_label
from bitwatt.report.quantities import hundredths
from bitwatt.report.records import Data, read_results
from bitwatt.report.rows import Row
from bitwatt.study import StudyPlan, read_study_file
from bitwatt.technology.scaled import PUBLISHED_NODE
from bitwatt.technology.scaling import area_factor, scale_factors

ROOT = Path(__file__).parents[1]
PAPER_RESULTS, PLANE_RESULTS = ROOT / "results" / "paper", ROOT / "results" / "plane"
PLANES = ("lenet", "alex")
NAMES = tuple(str(precision) for precision in PAPER)
OLD, NEW = "hashemi2017", "modern"
NODE_NM, VOLTS = 45, 1.1
"""Of Nangate 45, in which the records' costs are."""

CAVEATS = {
    "363d325731565716b063e143fbc36133b4dc89766a7d2b3cb28135b119a7ff7a": (
        "a copy whose images were re-encoded as JPEG, not the original pixels"
    ),
}
"""What is known of a copy of the data, by its digest, beyond what it says of itself."""


@dataclass(frozen=True)
class Found:
    """The plans of studies/paper.toml, the records by study as far as there are any, and their facts."""

    plans: tuple[StudyPlan, ...]
    records: dict[str, dict[str, Any]]
    facts: Facts

    def group(self, network: str, preset: str = NEW) -> Group:
        """A network's rows on the tile of a preset. Raises `KeyError`."""
        for group in self.facts.groups:
            if (group.network, group.preset) == (network, preset):
                return group
        raise KeyError((network, preset))

    def row(self, network: str, precision: str, preset: str = NEW) -> Row | None:
        """A point's row, the mean over its seeds; None where it is not finished."""
        try:
            rows = self.group(network, preset).rows
        except KeyError:
            return None
        return next((row for row in rows if row.precision == precision), None)

    @property
    def networks(self) -> tuple[str, ...]:
        """The published networks of which float32 and something else is finished, in the plans' order."""
        planned = [network for plan in self.plans for network in plan.networks if "*" not in network]
        return tuple(
            name
            for name in planned
            if self.row(name, "float32") is not None and len(self.group(name).rows) > 1
        )

    def reference(self, network: str) -> Row:
        """A network's float32. Raises `KeyError`."""
        row = self.row(network, "float32")
        if row is None:
            raise KeyError((network, "float32"))
        return row


def read() -> Found:
    """All that is kept of the published study."""
    plans = read_study_file(ROOT / "studies" / "paper.toml")
    paths = {plan.name: PAPER_RESULTS / f"{plan.name}.json" for plan in plans}
    records = {name: read_results(path) for name, path in paths.items() if path.exists()}
    return Found(plans, records, facts(list(records.values())))


def planes() -> dict[str, Plane]:
    """The planes that are kept, by network."""
    paths = [PLANE_RESULTS / f"{network}.json" for network in PLANES]
    groups = [facts(read_results(path)).groups[0] for path in paths if path.exists()]
    return {group.network: plane(group) for group in groups}


# The published preset at the published node, as bitwatt.technology.scaled has it: leakage as it was.


def energy_at_65(row: Row) -> float:
    """Energy of an image on the published preset, J, at the published node."""
    leakage = sum(part.value for part in row.energy_parts if part.name == "leakage")
    factor = scale_factors(NODE_NM, PUBLISHED_NODE.node_nm, VOLTS, PUBLISHED_NODE.voltage_v).energy
    return (row.energy_j - leakage) * factor + leakage


def area_at_65(row: Row) -> float:
    """Area of the published preset's tile, mm2, at the published node."""
    factor = area_factor(NODE_NM, PUBLISHED_NODE.node_nm, PUBLISHED_NODE.area).factor
    return row.area_mm2 * factor / PUBLISHED_NODE.utilisation


def label(network: str) -> str:
    """The network's name as the study writes it; `alex++*0.5` as ALEX++ x 0.5."""
    name, _, width = network.partition("*")
    return f"{network_label(name)} × {width}" if width else network_label(name)


def anchor(network: str) -> str:
    """The network's name in links and file names: headings of ALEX, ALEX+ and ALEX++ would link alike."""
    return network.replace("+", "-plus")


def caption(data: Data) -> str:
    """What accuracies were measured on."""
    caveat = f"; {CAVEATS[data.sha256]}" if data.sha256 in CAVEATS else ""
    return f"Data: {data_phrase(data)}{caveat}."


def captions(found: Found, networks: Iterable[str]) -> str:
    """The captions of those of the networks that have any result, for a table of several."""
    told = []
    for network in networks:
        for group in found.facts.groups:
            if group.network == network and group.preset == NEW:
                told.append(f"{label(network)}'s data:{caption(group.study.data).removeprefix('Data:')}")
    return " ".join(told)


def accuracy(row: Row) -> str:
    """A row's accuracy in %."""
    return hundredths(row.accuracy.mean, 2)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
