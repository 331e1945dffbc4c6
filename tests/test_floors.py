"""Imports only go down, or editing one room would make results of another one stale."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cotsieve.ground.fingerprint import reached_files
from cotsieve.study.identity import PINNED_ROOMS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "cotsieve"

FLOORS = {
    # what lies in a room (or a module of it) → the rooms and modules it may import
    "ground": (),
    "answers": ("ground",),
    "problems": ("ground", "answers"),
    "models": ("ground",),
    "rollouts": ("ground", "answers", "problems", "models"),
    "rollouts.schema": (),
    "rollouts.interventions": ("ground",),
    "findings": ("ground", "answers", "problems", "rollouts.schema"),
    "report": ("ground", "answers", "problems", "findings", "rollouts.schema"),
    # Asked by hand: it plans a study to see what is missing.
    "report.status": ("ground", "study"),
    "study": ("ground", "answers", "problems", "rollouts.interventions"),
    # What scripts share; they reach the engine by themselves too, see below.
    "study.making": ("ground", "problems", "rollouts"),
    # Asked by the Snakefile alone: no result depends on it, so it may look everywhere.
    "study.check": (
        "ground", "problems", "findings", "rollouts.interventions", "models.architecture",
        "models.outline",
    ),
    "study.preflight": ("ground", "problems", "models"),
    "study.capacity": ("models.architecture", "models.weight_headers"),
    # Asked by hand, when all results are there.
    "publish": ("ground", "findings"),
    "demo": ("ground", "answers", "problems", "models", "rollouts"),
}  # fmt: skip

HEAVY = ("torch", "transformers", "safetensors")
HEAVY_ROOMS = ("models", "rollouts", "demo")
UNWANTED = ("pandas", "datasets")
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of imported modules, wherever in the file they are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not followed by the fingerprint"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rules_for(name: str) -> tuple[str, ...]:
    room = name.split(".")[0]
    return FLOORS.get(name, FLOORS[room])


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_only_go_down(path):
    name = dotted(path)
    if path.name == "__init__.py":
        assert path.read_text() == "", "packages stay empty: whoever imports a module runs them"
        return
    targets = imported(ast.parse(path.read_text()))
    inside = {target.partition("cotsieve.")[2] for target in targets if target[:9] == "cotsieve."}
    modules = {target for target in inside if is_module(target)}
    wrong = sorted(target for target in modules if not permitted(name, target))
    assert not wrong, f"cotsieve.{name} may not import {', '.join(wrong)}"


def permitted(name: str, target: str) -> bool:
    same_room = name.split(".")[0] == target.split(".")[0]
    if same_room and name in ("rollouts.schema", "rollouts.interventions"):
        return False
    return same_room or any(
        target == floor or target.startswith(f"{floor}.") for floor in rules_for(name)
    )


def is_module(target: str) -> bool:
    return PACKAGE.joinpath(*target.split(".")).with_suffix(".py").is_file()


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_the_rooms_of_models_load_model_libraries(path):
    roots = {target.split(".")[0] for target in imported(ast.parse(path.read_text()))}
    assert not roots & set(UNWANTED)
    if path.relative_to(PACKAGE).parts[0] not in HEAVY_ROOMS:
        assert not roots & set(HEAVY)


SCRIPTS = sorted(path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_a_digest_of_problems_pins_hides_nothing_else(script):
    """Rooms left out of a fingerprint are not followed; the engine must be reached around them."""
    everything = reached_files(f"workflow/scripts/{script}.py", ROOT)
    followed = reached_files(f"workflow/scripts/{script}.py", ROOT, PINNED_ROOMS)
    hidden = {name for name in everything.keys() - followed if not name.startswith(PINNED_ROOMS)}
    # Problems are read with these, and their digest tells what came of it.
    assert not {
        name for name in hidden if not name.startswith(("cotsieve/answers", "cotsieve/ground"))
    }


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_no_import_escapes_the_fingerprint(path):
    """It follows plain import statements only."""
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert not called & {"importlib.import_module", "import_module", "__import__", "exec", "eval"}


def test_planning_does_not_load_model_libraries():
    """Every cluster job reads the Snakefile again; torch alone takes two seconds to import."""
    tree = ast.parse("\n".join(smk_imports()))
    names = sorted({name for name in imported(tree) if is_package_module(name)})
    assert "cotsieve.study.plan" in names
    code = f"import sys, {', '.join(names)}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {*HEAVY, *UNWANTED, "scipy", "sympy"}


def is_package_module(name: str) -> bool:
    return name.startswith("cotsieve.") and is_module(name.removeprefix("cotsieve."))


def smk_imports() -> Iterator[str]:
    """The import statements of the Snakefile and its rules."""
    for file in (ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))):
        statement = ""
        for line in file.read_text().splitlines():
            if statement or line.startswith(("import ", "from ")):
                statement += line + "\n"
                if "(" not in statement or ")" in statement:
                    yield statement
                    statement = ""
