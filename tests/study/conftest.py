"""The folder of these tests is on the path, for them and for the workers they start: `engine` lies there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
