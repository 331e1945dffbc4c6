"""The command `cotsieve`, also as `python -m cotsieve`."""

from cotsieve.cli.app import app

if __name__ == "__main__":
    app(prog_name="cotsieve")
