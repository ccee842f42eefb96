"""Design points a second: a cost, a sweep, and what other cost models take for the same layers.

    python benchmarks/cost_sweep.py --peers zigzag scalesim

Ours is the cost of a whole network on a tile. Each peer is installed into an environment of its own, under
bitwatt's cache, at the version below, and costs LeNet's four layers with weights: ZigZag on the TPU-like
array of its package, SCALE-Sim on a 16 x 16 array. They do other work than ours: ZigZag searches mappings,
SCALE-Sim simulates every cycle. Processor time throughout; setting up is the time that passed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import venv
from pathlib import Path

import torch
from torch import nn

import bitwatt as bw
from bitwatt.cache import cache_folder
from bitwatt.costing import cost_schedule, sweep
from bitwatt.hardware.schedule import schedule_work
from bitwatt.hardware.workload import workload

NETWORKS = ("lenet", "alex", "convnet")
PRECISIONS = (
    "float32", "fixed32", "fixed16", "fixed8", "fixed6", "fixed4", "fixed3", "pow2", "pow2:fixed8", "binary",
    "binary:fixed8", "ternary:fixed8", "fixed4:fixed8",
)  # fmt: skip
PEERS = {
    # six: which zigzag-dse imports and does not name.
    "zigzag": ("zigzag-dse==3.9.1", "six"),
    # numpy: scalesim makes numbers of arrays of one, which later ones refuse.
    "scalesim": ("scalesim==3.0.0", "numpy<2.4"),
}
HERE = Path(__file__).parent


def programs() -> dict[str, bw.program.Program]:
    found = {}
    for name in NETWORKS:
        images = torch.rand(2, *bw.networks.info(name).input_shape)
        quantised = bw.quantize(bw.networks.create(name, seed=0), "fixed8", calibration=images)
        found[name] = bw.lower(quantised.eval(), images[:1])
    return found


def scalar(program: object, tile: bw.Tile, repeats: int = 200) -> float:
    """Seconds of one cost, the caches warm."""
    bw.cost(program, tile)
    begun = time.process_time()
    for _ in range(repeats):
        bw.cost(program, tile)
    return (time.process_time() - begun) / repeats


def layers_of(name: str) -> list[dict[str, object]]:
    """The layers with weights of a plain network, as the peers are told of them."""
    net = bw.networks.create(name, seed=0).eval()
    found, value = [], torch.zeros(1, *bw.networks.info(name).input_shape)
    for label, layer in net.named_children():
        value = layer(value)
        if isinstance(layer, nn.Conv2d):
            places = {"out_height": value.shape[2], "out_width": value.shape[3]}
            shape = {
                "inputs": layer.in_channels,
                "outputs": layer.out_channels,
                "kernel": layer.kernel_size[0],
            }
        elif isinstance(layer, nn.Linear):
            places = {"out_height": 1, "out_width": 1}
            shape = {"inputs": layer.in_features, "outputs": layer.out_features, "kernel": 1}
        else:
            continue
        found.append({"name": label, **shape, **places})
    return found


def peer(name: str) -> str:
    """What a peer takes, in a line; or why it was left out."""
    folder = cache_folder() / "benchmarks" / name
    python = folder / "bin" / "python"
    begun = time.perf_counter()
    is_new = not (folder / "ready").exists()
    if is_new:
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PEERS[name]]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            return f"{name}: left out, pip cannot install it: {done.stderr.strip().splitlines()[-1]}"
        (folder / "ready").touch()
    setup = f"set up in {time.perf_counter() - begun:.0f} s" if is_new else "set up before"
    layers = json.dumps(layers_of("lenet"))
    run = subprocess.run(
        [python, HERE / f"peer_{name}.py"], input=layers, capture_output=True, text=True, cwd=folder
    )
    if run.returncode:
        return f"{name}: left out, it failed: {run.stderr.strip().splitlines()[-1]}"
    found = json.loads(run.stdout.splitlines()[-1])
    rate, seconds = 1 / found["seconds"], found["seconds"]
    return f"{name} {found['version']}: {rate:.3g} points/s, {seconds:.3g} s a point; {setup}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--equal", type=int, default=1000, help="points to compare with the scalar model")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = programs()
    axes = {"neurons": range(1, 257), "clock_hz": (100e6, 250e6, 400e6, 500e6)}
    presets = {
        "modern": {"buffers": ("sram",), "clock_gating": (True,)},
        "hashemi2017": {"buffers": ("flops",), "clock_gating": (False,)},
    }
    for preset, fixed in presets.items():
        for label in ("first", "warm"):
            begun = time.process_time()
            swept = sweep(found, PRECISIONS, **axes, **fixed)
            seconds = time.process_time() - begun
            print(f"{preset}, {label}: {len(swept)} points, {len(swept) / seconds:,.0f} points/s", flush=True)
        step = max(1, len(swept) // options.equal)
        works = {name: workload(program) for name, program in found.items()}
        for index in range(0, len(swept), step):
            name, tile, tech = swept.point(index)
            wanted = cost_schedule(schedule_work(works[name], tile), tech)
            assert (swept.energy_j[index], swept.area_mm2[index]) == (wanted.energy_j, wanted.area_mm2)
        compared = len(range(0, len(swept), step))
        print(f"{preset}: equal to the scalar model on each of {compared} points compared", flush=True)
    # After the sweeps, so that the first of them is the first that reads the technology at all.
    for name, program in found.items():
        print(f"{name}: {1e3 * scalar(program, bw.Tile('fixed8')):.2f} ms a cost", flush=True)
    for name in options.peers:
        print(peer(name), flush=True)


if __name__ == "__main__":
    sys.exit(main())
