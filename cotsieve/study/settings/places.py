"""Where the files a study names lie."""

from pathlib import Path

from cotsieve.ground.checkout import ROOT


def located(name: str) -> Path:
    """The file or folder `name`: below the working directory, or else below the repository.

    So the bundled sample and models are found from wherever the workflow is run.
    """
    path = Path(name).expanduser()
    bundled = ROOT / path
    return bundled if not path.exists() and bundled.exists() else path
