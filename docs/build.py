"""Makes everything in the documentation that is generated: `make docs`.

Each script says what it needs; the presets' page needs the extra `synthesis`.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPTS = ("scripts/update_readme.py", *(f"docs/{path.name}" for path in sorted(ROOT.glob("docs/*.py"))))
NOT_PAGES = {
    "docs/build.py",
    "docs/technology.py",
    "docs/post_training.py",
    "docs/flat_tile.py",
    "docs/truncated_products.py",
    *(f"docs/findings_{part}.py" for part in ("kept", "plane", "tables", "targets", "width")),
}
"""This script, what others import, and what needs a library or weights that the package cannot fetch."""

if __name__ == "__main__":
    for script in SCRIPTS:
        if script not in NOT_PAGES:
            print(script, flush=True)
            subprocess.run([sys.executable, ROOT / script], cwd=ROOT, check=True)
