"""The version of cotsieve, which datasets tell that were made with it."""

VERSION = "0.1.0"
"""As in pyproject.toml and CITATION.cff."""
