"""Where the checkout lies that this package is part of."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""Only this module may say so: whoever names files by it hides them from the fingerprint."""
