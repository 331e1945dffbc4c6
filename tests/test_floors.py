"""Imports only go down, or editing one room would make results of another one stale."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from cotsieve.ground.fingerprint import reached_files
from cotsieve.study.identity.ingredients import PINNED_ROOMS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "cotsieve"

ENGINES = (
    "engine",
    "engine.gpu",
    "engine.latent",
    "engine.written",
    "engine.library",
    "engine.loading",
)

FLOORS = {
    # room (or a module of one) → the rooms and modules it may import, besides its own
    "ground": (),
    "answers.math": (),
    "answers": ("ground", "answers.math"),
    "problems.files": ("ground",),
    "problems": ("ground", "answers", "problems.files"),
    "weights": ("ground",),
    "interventions": ("ground", "answers"),
    "engine": ("ground", "weights"),
    "engine.gpu": ("ground", "weights", "engine"),
    "engine.latent": ("ground", "weights", "interventions", "engine", "engine.gpu"),
    "engine.written": ("ground", "weights", "interventions", "engine", "engine.gpu"),
    "engine.inside": ("ground", "weights", "engine"),
    "engine.library": (
        "ground", "weights", "engine", "engine.gpu", "engine.written", "engine.inside",
    ),
    # A model that writes its reasoning is loaded for the engine that can run it.
    "engine.loading": (
        "ground", "weights", "engine", "engine.gpu", "engine.written", "engine.library",
    ),
    "rollouts": ("ground", "answers", "problems", "weights", "interventions", *ENGINES),
    "rollouts.schema": (),
    "rollouts.around": (
        "ground", "problems", "weights", "interventions", *ENGINES, "rollouts", "rollouts.schema",
    ),
    "findings": ("ground", "answers", "problems", "problems.files", "rollouts.schema"),
    "findings.necessity": ("ground", "problems", "rollouts.schema", "findings"),
    "findings.reasoning": (
        "ground", "answers", "problems", "problems.files", "interventions", "rollouts.schema",
        "findings",
    ),
    "findings.dataset": (
        "ground", "problems", "problems.files", "rollouts.schema", "findings",
        "findings.necessity",
    ),
    "findings.anchors": (
        "ground", "answers", "interventions", "rollouts.schema", "findings",
    ),
    "findings.inside": ("ground", "rollouts.schema", "findings"),
    "findings.labels": ("ground",),
    "study.settings": ("ground", "problems", "interventions"),
    # What a chat template renders is part of what a row is known by.
    "study.identity": ("ground", "weights.chat_template", "study.settings", "study.jobs"),
    "study.plan": ("ground", "problems", "study.settings"),
    "study.jobs": ("ground", "problems", "study.settings", "study.plan"),
    # What scripts share; they reach the engine by themselves too, see below.
    "study.jobs.making": (
        "ground", "problems", "rollouts", "study.settings", "study.plan", "study.jobs",
    ),
    # Asked before a run or by hand: no result depends on it, so it may look everywhere.
    "study.checks": (
        "ground", "problems", "weights", "interventions", "engine.library.check",
        "rollouts.recipe", "rollouts.schema", "findings", "findings.dataset.existing",
        "study.settings", "study.identity", "study.plan",
        "study.jobs",
    ),
    "report.facts": (
        "ground", "answers", "problems", "interventions", "rollouts.schema", "findings",
        "findings.necessity",
        "findings.reasoning", "findings.dataset", "findings.anchors.trace_rollouts",
    ),
    "report.page": (
        "ground", "interventions", "rollouts.schema", "findings", "findings.necessity",
        "report.facts",
    ),
    "report": (
        "ground", "problems", "rollouts.schema", "findings", "findings.necessity",
        "findings.dataset", "report.facts", "report.page",
    ),
    # Asked by hand: it plans a study to see what is missing.
    "report.status": ("ground", "study.settings", "study.plan", "report"),
    "demo": (
        "ground", "answers", "problems", "weights", "interventions", "rollouts",
        "rollouts.schema", *ENGINES,
    ),
    # What people call: no result depends on it.
    "notebook": ("ground", "rollouts.schema", "report.facts", "study.identity"),
    "cli": (
        "ground", "problems", "problems.files", "rollouts.schema", "findings.dataset",
        "findings.necessity", "notebook", "report", "report.status", "study.settings",
        "study.identity", "study.plan", "study.checks",
    ),
    "__main__": ("cli",),
}  # fmt: skip

HEAVY = ("torch", "transformers", "safetensors")
HEAVY_ROOMS = ("weights", "engine", "rollouts", "demo")
UNWANTED = ("pandas", "datasets")
FOR_PEOPLE = "notebook"
"""Only notebooks are given pandas."""
FACADE = PACKAGE / "__init__.py"
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


def inner_imports(path: Path) -> set[str]:
    """The modules of the package that a module imports."""
    targets = imported(ast.parse(path.read_text()))
    inside = {target.partition("cotsieve.")[2] for target in targets if target[:9] == "cotsieve."}
    return {target for target in inside if is_module(target)}


def room_of(name: str) -> str:
    return name.rpartition(".")[0]


def allowed(name: str) -> tuple[str, ...]:
    """What a module may import: its own row of the plan, or that of its room and the room."""
    return FLOORS[name] if name in FLOORS else (*FLOORS[room_of(name)], room_of(name))


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_only_go_down(path):
    name = dotted(path)
    if path == FACADE:  # cotsieve.open, a function that imports what it needs when it is called
        assert inner_imports(path) == {"notebook.opened"}
        assert all(
            isinstance(part, ast.Expr | ast.FunctionDef)
            for part in ast.parse(path.read_text()).body
        )
        return
    if path.name == "__init__.py":
        assert path.read_text() == "", "packages stay empty: whoever imports a module runs them"
        return
    wrong = sorted(target for target in inner_imports(path) if not permitted(name, target))
    assert not wrong, f"cotsieve.{name} may not import {', '.join(wrong)}"


def permitted(name: str, target: str) -> bool:
    """A room opens its modules to others, but not those that have a row of their own."""
    rules, own = allowed(name), room_of(target) == room_of(name)
    return target in rules or (room_of(target) in rules and (own or target not in FLOORS))


def test_imports_never_run_in_circles():
    graph = {dotted(path): inner_imports(path) for path in MODULES}
    assert list(TopologicalSorter(graph).static_order())


def test_the_house_is_drawn_as_it_is():
    """`docs/house.md` names every room, and no other."""
    drawn = set(re.findall(r"^\| `([a-z./]+)/` \|", (ROOT / "docs/house.md").read_text(), re.M))
    rooms = {path.parent.relative_to(PACKAGE) for path in MODULES if path.stem != "__init__"}
    rooms = {room.as_posix() for room in rooms - {Path()}}
    assert drawn == rooms


def test_a_room_can_be_overlooked():
    crowd = {room: len(list((PACKAGE / room).glob("*.py"))) - 1 for room in all_rooms()}
    assert not {room: count for room, count in crowd.items() if count > 16}


def all_rooms() -> set[str]:
    return {path.parent.relative_to(PACKAGE).as_posix() for path in MODULES}


def is_module(target: str) -> bool:
    return PACKAGE.joinpath(*target.split(".")).with_suffix(".py").is_file()


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_the_rooms_of_models_load_model_libraries(path):
    roots = {target.split(".")[0] for target in imported(ast.parse(path.read_text()))}
    if path.relative_to(PACKAGE).parts[0] != FOR_PEOPLE:
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
    # Problems are read with these, and their digest tells what came of it; and a study file may
    # name what `interventions` knows. What a chat template renders is itself a param.
    templates = ("cotsieve/weights/__init__.py", "cotsieve/weights/chat_template.py")
    harmless = ("cotsieve/answers", "cotsieve/ground", "cotsieve/interventions", *templates)
    assert not {name for name in hidden if not name.startswith(harmless)}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_no_code_escapes_the_fingerprint(path):
    """It refuses what it cannot follow: dynamic imports, and files named by other folders."""
    assert path.relative_to(ROOT).as_posix() in reached_files(path.relative_to(ROOT), ROOT)


def test_few_know_where_the_checkout_lies():
    """A file they named by it would not be followed."""
    known = {dotted(path) for path in MODULES if "ground.checkout" in inner_imports(path)}
    known = {name for name in known if room_of(name) != "cli"}  # no result depends on it
    assert known == {
        *("answers.symbolic", "ground.fingerprint"),
        *("problems.cataloguing", "study.settings.places", "study.identity.used"),
    }


def test_planning_does_not_load_model_libraries():
    """Every cluster job reads the Snakefile again; torch alone takes two seconds to import."""
    tree = ast.parse("\n".join(smk_imports()))
    names = sorted({name for name in imported(tree) if is_package_module(name)})
    assert "cotsieve.study.checks.start" in names
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
