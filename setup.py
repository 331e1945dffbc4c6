"""A wheel carries the workflow, too: what lies beside the package in the repository."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("Snakefile", "workflow", "profiles", "config", "resources", "envs/cotsieve.yaml")
"""cotsieve/ground/checkout.py says where the package looks for them."""


class WithWorkflow(build_py):
    """Copies it into the package as it is built."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the repository itself is used
            return
        root, target = Path(__file__).parent, Path(self.build_lib) / "cotsieve" / "shipped"
        for name in SHIPPED:
            source, to = root / name, target / name
            to.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                skipped = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(source, to, ignore=skipped, dirs_exist_ok=True)
            else:
                shutil.copy2(source, to)


setup(cmdclass={"build_py": WithWorkflow})
