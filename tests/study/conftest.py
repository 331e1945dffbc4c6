"""Tests that need a checkpoint find the one of the tests of models."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
