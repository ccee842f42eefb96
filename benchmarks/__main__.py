"""`python -m benchmarks`: every benchmark in turn, each in a process of its own, with its defaults."""

import subprocess
import sys

BENCHMARKS = ("training_step", "executor", "cosim", "cost_sweep")

if __name__ == "__main__":
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, f"benchmarks/{name}.py"], check=True)
