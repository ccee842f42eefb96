import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

INVENTED = Path(__file__).parent / "fixture" / "invented.json"


@pytest.fixture
def results() -> dict[str, Any]:
    """Invented records of LeNet at seven precisions, the test's own to change."""
    loaded: dict[str, Any] = json.loads(INVENTED.read_text())
    return loaded


@pytest.fixture
def make_point() -> Callable[..., dict[str, Any]]:
    """A point of round numbers: 2000 test images, 1000 cycles at 1 GHz, energy in the weight blocks alone."""

    def make(
        precision: str, correct: int, energy_j: float, area_mm2: float = 1.0, **fields: Any
    ) -> dict[str, Any]:
        point = {
            "network": "lenet",
            "precision": precision,
            "weights": precision,
            "activations": precision,
            "seed": 0,
            "accuracy": correct / 2000,
            "correct": correct,
            "count": 2000,
            "memory_bytes": {"weights": 1000, "biases": 24, "activations_peak": 512},
            "cycles": 1000,
            "runtime_s": 1e-6,
            "energy_j": energy_j,
            "power_w": energy_j / 1e-6,
            "area_mm2": area_mm2,
            "energy_j_by_component": {"weight_blocks": energy_j},
            "area_mm2_by_component": {"weight_blocks": area_mm2},
            "by_layer": [{"name": "fc", "cycles": 1000, "energy_j": energy_j, "macs": 4000}],
            "provenance": {"accuracy": "measured", "energy": "synthesised", "area": "synthesised"},
        }
        return point | fields

    return make


@pytest.fixture
def make_results() -> Callable[..., dict[str, Any]]:
    """Records around the points given."""

    def make(*points: dict[str, Any], **fields: Any) -> dict[str, Any]:
        return {
            "schema": 1,
            "bitwatt": "0.1.0",
            "network": "lenet",
            "data": {"name": "mnist-small", "train": 10000, "test": 2000, "sha256": "ab" * 32},
            "technology": "nangate45",
            "tile": {"neurons": 16, "synapses": 16, "rows": 64, "clock_hz": 250e6, "buffers": "sram"},
            "points": list(points),
        } | fields

    return make


@pytest.fixture
def make_tile() -> Callable[..., dict[str, Any]]:
    """A record of `bitwatt tile`: so many mm2 of multipliers and of SB, and as many W."""

    def make(precision: str, arithmetic: float, buffers: float, **fields: Any) -> dict[str, Any]:
        parts = {"weight_blocks": arithmetic, "sb": buffers}
        whole = arithmetic + buffers
        tile = {
            "preset": "mine",
            "technology": "nangate45",
            "precision": precision,
            "node_nm": 45,
            "clock_hz": 250e6,
            "area_mm2": whole,
            "power_w": whole,
            "energy_j_per_mac": whole * 1e-12,
            "area_mm2_by_component": parts,
            "power_w_by_owner": parts,
            "energy_j_per_mac_by_component": {key: value * 1e-12 for key, value in parts.items()},
            "timing": {"too_slow": []},
        }
        return tile | fields

    return make


@pytest.fixture
def three_tiles(make_tile: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """Three quarters of each are buffers; nobody published fixed6."""
    return [make_tile("float32", 4, 12), make_tile("fixed8", 1, 3), make_tile("fixed6", 0.5, 1.5)]


@pytest.fixture
def plane_records(make_results: Callable[..., dict[str, Any]], make_point: Callable[..., dict[str, Any]]):
    """A plane of five widths of weights and two of inputs beside float32; wider pairs take more energy."""
    right = {
        ("binary", "fixed4"): 1800,
        ("binary", "fixed16"): 1900,
        ("fixed4", "fixed4"): 1900,
        ("fixed4", "fixed16"): 1976,
        ("pow2", "fixed4"): 1976,
        ("pow2", "fixed16"): 1980,
        ("fixed6", "fixed4"): 1978,
        ("fixed6", "fixed16"): 1980,
        ("fixed16", "fixed4"): 1980,
        ("fixed16", "fixed16"): 1981,
    }
    cheap = iter(range(1, 11))
    points = [
        make_point(f"{w}:{i}", correct, 1e-6 * next(cheap), weights=w, activations=i)
        for (w, i), correct in right.items()
    ]
    return make_results(make_point("float32", 1980, 1e-4), *points)
