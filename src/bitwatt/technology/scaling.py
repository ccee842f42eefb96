"""From one process node to another: factors for area, energy and delay, by two published methods.

`stillmaker2017`: A. Stillmaker and B. Baas, "Scaling equations for the accurate prediction of CMOS device
performance from 180 nm to 7 nm", Integration, the VLSI Journal 58 (2017) 74-81,
doi:10.1016/j.vlsi.2017.02.002. Areas from its table of area ratios; energy from polynomials in the supply
voltage (coefficients of degree 2, 1, 0), delay from polynomials of degree 3. Coefficients as transcribed in
nodeScale (NanoCAD Laboratory, UCLA), compared with a second transcription (areas and energies of the CiMLoop
project) and with the two energy rows that the authors' corrigendum repeats (65 nm and 32 nm high
performance): they agree.

`constant_field`: R. H. Dennard et al., "Design of ion-implanted MOSFET's with very small physical
dimensions", IEEE JSSC 9(5) (1974) 256-268. With s the ratio of feature sizes, area goes as s^2 and delay as
s; energy is C V^2, so s times the square of the supply's ratio.

The two differ by up to half in area between 65 and 45 nm (1.5 against 2.09): a figure that rests on one of
them must say which.

`library_cells`, of areas alone: the area of a two-input NAND of least drive, which is what publications call
a gate equivalent, in libraries of the two nodes. Independent of both laws above: a library's cells follow its
rows and contacts, which no law of scaling knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from bitwatt.errors import RequestError, unknown_name

#: Area relative to 45 nm (the row "from 45 nm" of the paper's table of area scaling factors).
_AREA_FROM_45 = {
    180: 19.0,
    130: 6.4,
    90: 2.8,
    65: 1.5,
    45: 1.0,
    32: 0.46,
    20: 0.21,
    16: 0.19,
    14: 0.17,
    10: 0.10,
    7: 0.059,
}

#: Node and device: delay coefficients (degree 3 to 0), energy coefficients (degree 2 to 0). From 45 nm on the
#: paper tells high performance from low power devices.
_COEFFICIENTS: dict[tuple[int, str], tuple[tuple[float, ...], tuple[float, ...]]] = {
    (180, ""): ((0.0, 97.09, -356.7, 406.5), (0.0, 24.64, -17.98)),
    (130, ""): ((-76.65, 334.9, -493.4, 275.8), (7.171, -6.709, 2.904)),
    (90, ""): ((-60.34, 262.5, -384.2, 210.9), (4.762, -4.781, 2.092)),
    (65, ""): ((-53.3, 230.4, -333.9, 178.6), (3.755, -4.398, 1.975)),
    (45, "hp"): ((-501.6, 1567.0, -1619.0, 566.1), (1.018, -0.3107, 0.1539)),
    (32, "hp"): ((-1047.0, 2982.0, -2797.0, 873.5), (0.8367, -0.4341, 0.1701)),
    (45, "lp"): ((-285.7, 1239.0, -1795.0, 898.8), (1.103, -0.362, 0.2767)),
    (32, "lp"): ((-325.9, 1374.0, -1922.0, 913.2), (0.9559, -0.7823, 0.471)),
    (20, "hp"): ((0.0, 34.63, -66.37, 41.15), (0.373, -0.1582, 0.04104)),
    (16, "hp"): ((0.0, 24.8, -47.52, 28.87), (0.2958, -0.1241, 0.03024)),
    (14, "hp"): ((-40.66, 109.2, -100.6, 35.92), (0.2363, -0.09675, 0.02239)),
    (10, "hp"): ((-34.95, 93.65, -85.99, 30.4), (0.2068, -0.09311, 0.02375)),
    (7, "hp"): ((-28.58, 76.6, -70.26, 24.69), (0.1776, -0.09097, 0.02447)),
    (20, "lp"): ((-160.5, 514.1, -558.6, 217.5), (0.2632, -0.14, 0.06841)),
    (16, "lp"): ((-114.6, 366.7, -397.4, 153.6), (0.2139, -0.1187, 0.05639)),
    (14, "lp"): ((-85.37, 271.6, -292.2, 111.4), (0.1556, -0.06472, 0.03066)),
    (10, "lp"): ((-71.76, 228.6, -246.3, 93.91), (0.1261, -0.0518, 0.02769)),
    (7, "lp"): ((-61.79, 196.1, -210.3, 79.55), (0.09365, -0.03409, 0.02043)),
}
#: um2 of a two-input NAND of drive 1 in libraries of each node, whose ratio `library_cells` takes.
#: 130: sky130_fd_sc_hd__nand2_1. 65: ND2D1 of TSMC's 65 nm library tcbn65lp (9 tracks, 0.8 x 1.8 um), as the
#: report of a chip made in it has it: https://github.com/SoC-Labs/NanoSoC-Ethernet-Chiplet/blob/7a9f06d/
#: ASIC/eth-chiplet/design.mk, at DESIGN_REPORT_NAND2_CELL. 45: NAND2_X1 of Nangate's library (0.57 x 1.4 um).
_NAND2_UM2 = {130: 3.7536, 65: 1.44, 45: 0.798}

_METHODS = {
    "stillmaker2017": "Stillmaker and Baas, Integration 58 (2017) 74-81",
    "constant_field": "Dennard et al., IEEE JSSC 9(5) (1974) 256-268",
}


@dataclass(frozen=True)
class ScaleFactors:
    """What a figure at one node is multiplied by to stand for another, and by whose method."""

    area: float
    energy: float
    delay: float
    source: str


def scale_factors(
    from_nm: int,
    to_nm: int,
    from_v: float,
    to_v: float,
    *,
    method: str = "stillmaker2017",
    device: str = "hp",
) -> ScaleFactors:
    """The factors from one node and supply to another.

    `device` ("hp" or "lp") picks the device type where `stillmaker2017` tells them apart (45 nm and below).
    Raises `RequestError` for an unknown method, device or node, or a supply outside the fit of the
    polynomials (where a factor would not be positive).
    """
    if method not in _METHODS:
        raise unknown_name("scaling method", method, _METHODS)
    if from_v <= 0 or to_v <= 0:
        raise RequestError(f"supply voltages must be positive, got {from_v} V and {to_v} V")
    if method == "constant_field":
        ratio = to_nm / from_nm
        return ScaleFactors(ratio**2, ratio * (to_v / from_v) ** 2, ratio, _METHODS[method])
    if device not in ("hp", "lp"):
        raise unknown_name("device", device, ("hp", "lp"))
    for node in (from_nm, to_nm):
        if node not in _AREA_FROM_45:
            raise unknown_name("node (nm)", str(node), map(str, _AREA_FROM_45))
    (delay_from, energy_from), (delay_to, energy_to) = (
        _factors(from_nm, from_v, device),
        _factors(to_nm, to_v, device),
    )
    return ScaleFactors(
        area=_AREA_FROM_45[to_nm] / _AREA_FROM_45[from_nm],
        energy=energy_to / energy_from,
        delay=delay_to / delay_from,
        source=_METHODS[method],
    )


@dataclass(frozen=True)
class AreaFactor:
    """What an area at one node is multiplied by to stand for another, and by whose method."""

    factor: float
    source: str


AREA_METHODS = ("library_cells", *_METHODS)


def area_factor(from_nm: int, to_nm: int, method: str) -> AreaFactor:
    """The factor of areas alone, by one of `AREA_METHODS`.

    Raises `RequestError` for an unknown method or node.
    """
    if method == "constant_field":
        return AreaFactor((to_nm / from_nm) ** 2, _METHODS[method])
    areas = {"library_cells": _NAND2_UM2, "stillmaker2017": _AREA_FROM_45}.get(method)
    if areas is None:
        raise unknown_name("method of scaling areas", method, AREA_METHODS)
    for node in (from_nm, to_nm):
        if node not in areas:
            raise unknown_name("node (nm)", str(node), map(str, areas))
    source = _METHODS.get(method, "two-input NANDs of libraries of the two nodes")
    return AreaFactor(areas[to_nm] / areas[from_nm], source)


def _factors(node: int, volts: float, device: str) -> tuple[float, float]:
    """The paper's delay factor and energy factor at a node and supply."""
    delay, energy = (_polynomial(c, volts) for c in _COEFFICIENTS[(node, device if node <= 45 else "")])
    if delay <= 0 or energy <= 0:
        raise RequestError(f"{volts:g} V lies outside the fit of the scaling equations for {node} nm")
    return delay, energy


def _polynomial(coefficients: tuple[float, ...], x: float) -> float:
    value = 0.0
    for coefficient in coefficients:
        value = value * x + coefficient
    return value
