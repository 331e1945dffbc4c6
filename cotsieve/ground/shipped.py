"""Where the workflow of this package lies: its rules, profiles, example studies and tiny models."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def _workflow() -> Path:
    """The checkout the package is part of, or what an installed package carries."""
    checkout = PACKAGE.parent
    return checkout if (checkout / "Snakefile").is_file() else PACKAGE / "shipped"


SHIPPED = _workflow()

TOLD_AT_THE_END = "COTSIEVE_TOLD_AT_THE_END"
"""In the environment of a run whose summaries are printed by who started it."""
