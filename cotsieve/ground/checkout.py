"""Where the package and its workflow lie: together in a checkout, or in an installed package."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Where the package is imported from.

Only this module may say so: whoever names files by it hides them from the fingerprint."""


def _shipped() -> Path:
    return ROOT if (ROOT / "Snakefile").is_file() else ROOT / "cotsieve" / "shipped"


SHIPPED = _shipped()
"""Where the Snakefile, the rules, the profiles, the example studies and the tiny models lie."""
TOLD_AT_THE_END = "COTSIEVE_TOLD_AT_THE_END"
"""In the environment of a run whose summaries are printed by who started it."""
