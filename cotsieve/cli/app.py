"""The command `cotsieve`: what can be done with a study, in a line each; the rest is beside it.

What a command needs is imported when it is called, so that help and mistakes are told at once.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cotsieve.ground.checkout import SHIPPED
from cotsieve.ground.faults import BadInput

app = typer.Typer(
    name="cotsieve",
    help="Find the math problems a model solves only through its chain of thought.",
    epilog="Example: cotsieve run config/mine.yaml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

USUAL = Path("config/config.yaml")
"""The study that is meant where none is named: that of the folder, or else the default one."""
PASSED_ON = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "options_metavar": "[STUDY] [OPTIONS]",
}
"""Commands whose unknown options go to snakemake, with their values."""
FILES = (".yaml", ".yml", ".json")


def _study(value: Path | None) -> Path:
    found = value or USUAL
    return SHIPPED / USUAL if value is None and not found.is_file() else found


Study = Annotated[
    Path | None,
    typer.Argument(
        callback=_study, metavar="[STUDY]", show_default="config/config.yaml", help="Study file."
    ),
]
Cores = Annotated[int, typer.Option("--cores", "-c", min=1, help="Jobs that run at once.")]
Results = Annotated[Path, typer.Option(help="Folder that holds the results of all studies.")]
Model = Annotated[str, typer.Option(help="Model of the study; needed if there are several.")]


def _study_in(arguments: list[str]) -> tuple[Path, list[str]]:
    """The study file among arguments, and the others: what an option is followed by may be its
    value, so a study is known by its name."""
    named = next((word for word in arguments if word.endswith(FILES) and word[0] != "-"), None)
    others = [word for word in arguments if word != named]
    return _study(Path(named) if named else None), others


@contextmanager
def _told() -> Iterator[None]:
    """Bad input ends a command with its findings, not with a traceback."""
    try:
        yield
    except (BadInput, OSError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None


@app.command(**PASSED_ON, epilog="Example: cotsieve run config/mine.yaml --cores 8")
def run(context: typer.Context, cores: Cores = 2) -> None:
    """Run a study; what is finished is not run again. Unknown options go to snakemake."""
    from cotsieve.cli.running import run_study

    study, others = _study_in(context.args)
    with _told():
        raise typer.Exit(run_study(study, cores, others))


@app.command(**PASSED_ON, epilog="Example: cotsieve plan config/mine.yaml")
def plan(context: typer.Context) -> None:
    """Show the jobs that would be run. Unknown options go to snakemake."""
    from cotsieve.cli.running import snakemake

    study, others = _study_in(context.args)
    with _told():
        raise typer.Exit(snakemake(study, ["--dry-run", *others]))


@app.command(epilog="Example: cotsieve explain config/mine.yaml")
def explain(
    study: Study = None,
    targets: Annotated[list[str] | None, typer.Argument(help="Files; default: all.")] = None,
    directory: Annotated[Path | None, typer.Option(help="Working directory.")] = None,
) -> None:
    """Say for every job that would run what changed since its result was made."""
    from cotsieve.cli.explaining import explain_study

    with _told():
        raise typer.Exit(explain_study(study, directory, targets or []))


@app.command(epilog="Example: cotsieve status config/mine.yaml")
def status(study: Study = None, results: Results = Path("results")) -> None:
    """Tell where a study stands, from its files alone; also while it runs."""
    from cotsieve.report.status import told

    with _told():
        print(told(study, results), end="")


@app.command(epilog="Example: cotsieve check config/mine.yaml")
def check(study: Study = None) -> None:
    """Look for everything that would stop a run; no weight is loaded."""
    from cotsieve.cli.planning import check_planned

    with _told():
        raise typer.Exit(check_planned(study))


@app.command(epilog="Example: cotsieve show sample_12 config/mine.yaml --condition zero-middle")
def show(
    problem: Annotated[str, typer.Argument(metavar="ID", help="Id of a problem.")],
    study: Study = None,
    model: Annotated[str, typer.Option(help="This model alone.")] = "",
    condition: Annotated[str, typer.Option(help="This condition alone, with all it wrote.")] = "",
    results: Results = Path("results"),
) -> None:
    """Show one problem: what it asks, and what every model makes of it under every condition."""
    from cotsieve.cli.showing import shown

    with _told():
        print(shown(study, results, problem, model, condition), end="")


@app.command(epilog="Example: cotsieve init data/mine.csv --model models/r1 --name mine")
def init(
    data: Annotated[str, typer.Argument(help="A file of problems, or a dataset on the hub.")],
    model: Annotated[str, typer.Option(help="A folder, or a repository on the hub.")],
    base: Annotated[str, typer.Option(help="Base model of a latent one (CODI).")] = "",
    name: Annotated[str, typer.Option(help="Name of the study; default: that of the data.")] = "",
    split: Annotated[str, typer.Option(help="Split of a dataset on the hub.")] = "",
    subset: Annotated[str, typer.Option(help="Configuration of a dataset on the hub.")] = "",
    output: Annotated[
        Path | None, typer.Option(help="Study file to write; default: config/NAME.yaml.")
    ] = None,
) -> None:
    """Write a commented study file for a file of problems and a model."""
    from cotsieve.cli.starting import Wanted, write_study

    with _told():
        print(write_study(Wanted(data, model, base, name, split, subset), output), end="")


@app.command(epilog="Example: cotsieve publish config/mine.yaml --repo me/needs-cot --push")
def publish(
    study: Study = None,
    repo: Annotated[str, typer.Option(help="Dataset repository, as owner/name.")] = "",
    model: Model = "",
    traces: Annotated[bool, typer.Option("--traces", help="Its verified traces instead.")] = False,
    branch: Annotated[str, typer.Option(help="Branch of the repository.")] = "main",
    private: Annotated[bool, typer.Option("--private", help="Make a new one private.")] = False,
    push: Annotated[bool, typer.Option("--push", help="Upload; default: show.")] = False,
    directory: Annotated[Path, typer.Option(help="Working directory.")] = Path(),
) -> None:
    """Show what publishing a dataset on the Hugging Face hub would do; with --push, do it."""
    from cotsieve.cli.publishing import Wanted, publish_dataset

    wanted = Wanted(study, repo, model, traces, branch, private, push, directory.absolute())
    with _told():
        publish_dataset(wanted)


@app.command(
    **PASSED_ON | {"options_metavar": "[OPTIONS]"},
    epilog="Example: cotsieve export traces config/mine.yaml",
)
def export(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="WHAT [STUDY]", help="checkpoint, traces or rollouts.")
    ],
    cores: Cores = 2,
) -> None:
    """Write results in the file forms of published work. Unknown options go to snakemake."""
    from cotsieve.cli.running import export_study

    study, others = _study_in(context.args)
    with _told():
        raise typer.Exit(export_study(study, what, cores, others))
