"""The tiny network and data of the study's tests, as `tiny:network` and `tiny:bars`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "study"))
