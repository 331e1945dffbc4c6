"""Where the files a study names lie."""

from pathlib import Path

from cotsieve.ground.checkout import SHIPPED


def located(name: str) -> Path:
    """The file or folder `name`: below the working directory, or else beside the workflow.

    So the bundled sample and models are found from wherever the workflow is run.
    """
    path = Path(name).expanduser()
    bundled = SHIPPED / path
    return bundled if not path.exists() and bundled.exists() else path
