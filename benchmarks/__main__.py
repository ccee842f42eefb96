"""`python -m benchmarks`: every benchmark in turn, each in a process of its own.

--quick: LeNet alone, one thread, no peers and no memory; the others as they are, where they take seconds.
"""

import argparse
import subprocess
import sys

BENCHMARKS = ("training_step", "executor", "cosim", "cost_sweep")
QUICK = {
    "training_step": "--network lenet --threads 1 --repeats 7 --no-memory --peers",
    "executor": "--network lenet --threads 1 --repeats 7 --no-memory --no-peers",
    "cost_sweep": "--peers",
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for name in QUICK if options.quick else BENCHMARKS:
        print(f"== {name}", flush=True)
        arguments = QUICK[name].split() if options.quick else []
        subprocess.run([sys.executable, f"benchmarks/{name}.py", *arguments], check=True)
