"""Where the files a study names lie."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def located(name: str) -> Path:
    """The file or folder `name`: below the working directory, or else below the repository.

    So the bundled sample and models are found from wherever the workflow is run.
    """
    path = Path(name).expanduser()
    bundled = REPOSITORY / path
    return bundled if not path.exists() and bundled.exists() else path
