"""The published energies of an image, network by network, with ours on each preset beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitwatt.report.facts import Group
from bitwatt.report.published import Published, published
from bitwatt.report.tiles import REPRODUCTION


@dataclass(frozen=True)
class NetworkEnergies:
    """One network: published energies by precision, and ours by preset and precision, J an image."""

    network: str
    presets: tuple[str, ...]
    theirs: dict[str, Published]
    ours: dict[str, dict[str, float]]


def network_energies(groups: Sequence[Group]) -> tuple[NetworkEnergies, ...]:
    """The networks of the report that the published study has too, the preset of its tile first.

    Of several studies of one network the first counts.
    """
    found: dict[str, NetworkEnergies] = {}
    for group in sorted(groups, key=lambda group: group.preset != REPRODUCTION):
        theirs = {
            row.precision: point
            for row in group.rows
            if (point := published(group.network, row.precision)) is not None
        }
        if not theirs:
            continue
        preset = group.preset or group.technology
        energies = {row.precision: row.energy_j for row in group.rows}
        known = found.get(group.network)
        if known is None:
            found[group.network] = NetworkEnergies(group.network, (preset,), theirs, {preset: energies})
        elif preset not in known.presets:
            found[group.network] = NetworkEnergies(
                group.network,
                (*known.presets, preset),
                theirs | known.theirs,
                known.ours | {preset: energies},
            )
    order = dict.fromkeys(group.network for group in groups)
    return tuple(found[network] for network in order if network in found)


def precisions(networks: Sequence[NetworkEnergies]) -> tuple[str, ...]:
    """The precisions of any of the networks, in the order in which they come."""
    return tuple(dict.fromkeys(name for network in networks for name in network.theirs))
