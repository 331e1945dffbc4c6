"""Tests that need a checkpoint find those of the tests of models and rollouts."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "models"), str(TESTS / "rollouts")]
