#!/usr/bin/env python3
"""Writes docs/findings.md and its pictures from what is kept in results/. Nothing is trained.

usage: python docs/findings.py
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path

from bitwatt.report.facts import cheapest_within
from bitwatt.report.figures import write_figures
from bitwatt.report.plane import Plane
from bitwatt.report.plane_figure import write_plane_figure
from bitwatt.report.published import CITATION, published
from bitwatt.report.quantities import percent, points

sys.path.insert(0, str(Path(__file__).parent))

from findings_kept import (
    NAMES,
    NEW,
    OLD,
    PLANES,
    ROOT,
    Found,
    accuracy,
    anchor,
    caption,
    captions,
    label,
    planes,
    read,
    table,
)
from findings_plane import begins, picture, section
from findings_tables import (
    NOT_FINISHED,
    accuracy_table,
    energy_table,
    layer_table,
    memory_table,
    misses,
    printed_accuracy,
    tile_table,
)
from findings_targets import TARGETS, difference
from findings_width import macs, share

METHODS_RESULTS = ROOT / "results" / "methods"
DOCS = Path(__file__).parent
FIGURES = DOCS / "figures" / "findings"
WITHIN = 0.005
"""The loss of accuracy that the summary accepts."""
LIMITS = (0.10, 0.08)
"""Shares of float32 ALEX's energy at which its accuracy was to be reached."""
PICTURES = {OLD: ("energy-components",), NEW: ("accuracy-energy", "energy-components")}


def progress(found: Found) -> str:
    """What is not finished, in one line."""
    begun, left = [], []
    for plan in found.plans:
        record, name = found.records.get(plan.name), ", ".join(map(label, plan.networks))
        if record is None:
            left.append(name)
        elif len(record["points"]) < record["planned_points"]:
            trainings = 1 + len(plan.other_presets)
            done, planned = len(record["points"]) // trainings, record["planned_points"] // trainings
            begun.append(f"{name} ({done} of {planned} trainings are)")
    if not any(METHODS_RESULTS.glob("*.json")):
        left.append("the comparison of training methods")
    kept = planes()
    left += [f"the plane of {label(name)}" for name in PLANES if name not in kept]
    for name, of in kept.items():
        done, planned = len(of.group.study.points), of.group.study.planned_points or 0
        if done < planned:
            begun.append(f"the plane of {label(name)} ({done} of {planned} trainings are)")
    if not (begun or left):
        return ""
    nothing = f"nothing is kept yet of {', '.join(left)}" if left else ""
    return f"**Not finished: {'; '.join(filter(None, [*begun, nothing]))}.** What is finished is below."


def pays(found: Found) -> str:
    """Network by network: the cheapest precision near float32, and what it costs on either tile."""
    lines = []
    for network in found.networks:
        group, reference = found.group(network), found.reference(network)
        choice = cheapest_within(group.rows, reference, WITHIN)
        gained, low, high = difference(choice, reference)
        costs = []
        for preset in (NEW, OLD):
            mine, base = found.row(network, choice.precision, preset), found.row(network, "float32", preset)
            if mine and base:
                costs.append(f"{percent(mine.energy_j / base.energy_j)} of its energy on `{preset}`")
        lines.append(
            f"- **{label(network)}**: `{choice.precision}` is the cheapest within half a point of float32, "
            f"for {' and '.join(costs)}. It is right on {accuracy(choice)} % of the test images, "
            f"{points(gained)} points against float32 (95 % between {points(low)} and {points(high)}; "
            f"[row](#of-{anchor(network)}))."
        )
    return "\n".join(lines)


def stops(found: Found, kept: dict[str, Plane]) -> str:
    """Which precisions of the seven lose accuracy for certain, and where the planes begin to."""
    lines = []
    for network in found.networks:
        rows = [row for row in found.group(network).rows if row.precision != "float32"]
        losses = {row.precision: difference(row, found.reference(network)) for row in rows}
        hurt = [
            f"`{name}` ({points(gained)} points)" for name, (gained, _, high) in losses.items() if high < 0
        ]
        told = ", ".join(hurt) if hurt else "none"
        done = "of the seven precisions" if len(rows) == len(NAMES) - 1 else "of those that are finished"
        lines.append(f"- {label(network)}: {done}, what loses more than chance is {told}.")
    return "\n".join([*lines, *(f"- {begins(of)}" for of in kept.values())])


def methods() -> str:
    """Which method is best where, out of what docs/methods.py kept."""
    lines = []
    for path in sorted(METHODS_RESULTS.glob("*.json"), reverse=True):
        kept = json.loads(path.read_text())
        for precision in dict.fromkeys(row["precision"] for row in kept["rows"]):
            rows = [row for row in kept["rows"] if row["precision"] == precision]
            best = max(rows, key=lambda row: row["correct"])
            lines.append(
                f"- {label(kept['network'])}, `{precision}`: `{best['method']}`, the best of {len(rows)}, "
                f"right on {percent(best['correct'] / best['count'], 2)} of the held-out images."
            )
    if not lines:
        return "Not known yet: the comparison (`studies/methods-lenet.toml`, `-alex.toml`) is not finished."
    return "\n".join([*lines, "", "On training images that were held out; [all methods](methods.md)."])


def candidates(found: Found) -> list[tuple[str, str]]:
    """The low precisions of ALEX's kin that are compared with float32 ALEX, trained or not."""
    asked = [
        (network, name) for network in ("alex", "alex+", "alex++") for name in ("fixed4", "pow2", "binary")
    ]
    plans = [plan for plan in found.plans if plan.name.startswith("width")]
    return asked + [
        (plan.networks[0], name) for plan in plans for name in plan.precisions if name != "float32"
    ]


def spent(found: Found) -> str:
    """Whether a candidate is as accurate as float32 ALEX at each limit of energy."""
    base = found.row("alex", "float32")
    rows = [(network, name, row) for network, name in candidates(found) if (row := found.row(network, name))]
    if base is None or not rows:
        return "Not known yet: the candidates are not trained."
    told = []
    for limit in LIMITS:
        within = [(n, p, row) for n, p, row in rows if share(n, p, OLD) <= limit]
        if not within:
            told.append(f"- At {limit:.0%} of float32 ALEX's energy on `{OLD}`: no candidate is finished.")
            continue
        network, name, best = max(within, key=lambda found: found[2].accuracy.mean)
        reached = "reaches" if best.accuracy.mean >= base.accuracy.mean else "does not reach"
        told.append(
            f"- At {limit:.0%} of float32 ALEX's energy on `{OLD}`: {label(network)} at `{name}` {reached} "
            f"its {accuracy(base)} %, with {accuracy(best)} % for {percent(share(network, name, OLD))} "
            f"(on `{NEW}` {percent(share(network, name, NEW))}); the best of the {len(within)} finished."
        )
    return "\n".join(told)


def order(found: Found, network: str, preset: str) -> tuple[str, ...]:
    """The precisions from the least energy to the most."""
    return tuple(
        row.precision for row in sorted(found.group(network, preset).rows, key=lambda row: row.energy_j)
    )


def survives(found: Found) -> str:
    """Whether the order of the precisions is the same on either tile, and in another library."""
    lines = []
    for network in found.networks:
        if len(found.group(network).rows) < len(NAMES):
            continue  # an order of some says little
        old, new = (", ".join(f"`{name}`" for name in order(found, network, preset)) for preset in (OLD, NEW))
        same = f"On `{NEW}` the same." if old == new else f"On `{NEW}`: {new}."
        lines.append(f"- {label(network)}, from the least energy to the most, on `{OLD}`: {old}. {same}")
    ours, theirs = library_orders()
    same = "the same as" if ours == theirs else f"{', '.join(theirs)}, which is another than"
    lines.append(
        f"- By the power of the `{NEW}` tile at full load, the order in [sky130]"
        f"(technology.md#two-open-libraries-beside-each-other), a library of 130 nm, is {same} in Nangate 45."
    )
    return "\n".join(lines)


def library_orders() -> tuple[list[str], list[str]]:
    """The precisions by power in Nangate 45 and in sky130, out of the table in docs/technology.md."""
    found = re.findall(r"^\| `(\w+)` \|(.*)\|$", (DOCS / "technology.md").read_text(), re.MULTILINE)
    power = {name: [float(cell.replace(",", "")) for cell in cells.split("|")] for name, cells in found
             if re.fullmatch(r"[\d., |]+", cells)}  # fmt: skip
    ours, theirs = (sorted(power, key=lambda name, at=at: power[name][at]) for at in (1, 4))
    return ours, theirs


def target_table(found: Found) -> str:
    """What was to be reached, and whether it was."""
    rows = []
    for target in TARGETS:
        row, reference = found.row(target.network, target.precision), found.row(target.network, "float32")
        if row is None or reference is None:
            told, values = NOT_FINISHED, ["", ""]
        else:
            told = "yes" if target.is_met(row, reference) else "**no**"
            values = [accuracy(row), accuracy(reference)]
        theirs = printed_accuracy(target.network, target.precision)
        rows.append([f"{label(target.network)}, `{target.precision}`", target.text(), *values, theirs, told])
    head = ("point", "target, %", "ours, %", "our float32, %", "published, %", "reached")
    return f"{table(head, rows)}\n\n{captions(found, dict.fromkeys(target.network for target in TARGETS))}"


def width_table(found: Found) -> str:
    """ALEX's kin beside float32 ALEX: energy, and accuracy where it is known."""
    rows = []
    base = published("alex", "float32")
    for network, name in [("alex", "float32"), *candidates(found)]:
        row, theirs = found.row(network, name), published(network, name)
        printed = ""
        if theirs and theirs.accuracy and theirs.energy_j and base and base.energy_j:
            printed = f"{percent(theirs.accuracy, 2)} for {percent(theirs.energy_j / base.energy_j)}"
        rows.append(
            [
                f"{label(network)}, `{name}`",
                f"{macs(network) / 1e6:.1f}",
                percent(share(network, name, OLD)),
                percent(share(network, name, NEW)),
                accuracy(row) if row else NOT_FINISHED,
                printed,
            ]
        )
    head = ("network", "10⁶ multiply-accumulates", f"energy beside float32 ALEX, `{OLD}`", f"`{NEW}`",
            "accuracy, %", "published")  # fmt: skip
    networks = dict.fromkeys(["alex", *(network for network, _ in candidates(found))])
    return f"{table(head, rows)}\n\n{captions(found, networks)}".rstrip()


def network_section(found: Found, network: str) -> str:
    """All tables and pictures of one network."""
    name, begin = label(network), f"figures/findings/{anchor(network)}"
    data = caption(found.group(network).study.data)
    parts = [
        f'<a id="of-{anchor(network)}"></a>',
        f"## {name}",
        f"### {name}: accuracy",
        accuracy_table(found, network),
        f"![Accuracy of {name} against energy, {NEW}]({begin}-{NEW}-accuracy-energy.svg)",
        f"On `{NEW}`; whiskers: what so many test images leave to chance. {data}",
        f"### {name}: energy of an image",
        energy_table(found, network),
        misses(found, network),
        f"### {name}: by component and layer",
        f"![Energy of an image of {name} by component, {OLD}]({begin}-{OLD}-energy-components.svg)",
        f"![Energy of an image of {name} by component, {NEW}]({begin}-{NEW}-energy-components.svg)",
        f"Above `{OLD}`, below `{NEW}`, both at 45 nm. By layer on `{NEW}`, with shares of the whole:",
        layer_table(found, network),
        f"### {name}: memory and cycles",
        memory_table(found, network),
    ]
    return "\n\n".join(filter(None, parts))


def write_pictures(found: Found, folder: Path = FIGURES) -> None:
    """Draw what the page shows, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for network in found.networks:
        study = found.group(network).study
        record = next(record for record in found.records.values() if record["study"] == study.study)
        for preset, names in PICTURES.items():
            own = [p for p in record["points"] if (p["network"], p["preset"]) == (network, preset)]
            with tempfile.TemporaryDirectory() as drawn:
                write_figures(record | {"points": own}, drawn)
                for name in names:
                    content = (Path(drawn) / f"{name}.svg").read_bytes()
                    (folder / f"{anchor(network)}-{preset}-{name}.svg").write_bytes(content)
    for of in planes().values():
        write_plane_figure(of, folder / Path(picture(of)).name)


def page() -> str:
    """The text of docs/findings.md."""
    found, kept = read(), planes()
    first = found.networks[0]
    return (
        (DOCS / "templates" / "findings.md")
        .read_text()
        .format(
            citation=CITATION,
            progress=progress(found),
            pays=pays(found),
            stops=stops(found, kept),
            methods=methods(),
            spent=spent(found),
            survives=survives(found),
            targets=target_table(found),
            tiles=tile_table(found, first),
            tile_network=label(first),
            networks="\n\n".join(network_section(found, network) for network in found.networks),
            widths=width_table(found),
            planes="\n\n".join(map(section, kept.values())) or "Not finished.",
        )
    )


def main() -> None:
    write_pictures(read())
    path = DOCS / "findings.md"
    path.write_text(page())
    print(path)


if __name__ == "__main__":
    main()
