"""Whatever the pages for users tell to type or to write works, and prints what they show."""

import re
import shlex
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
import yaml
from checkout import Checkout
from hub_repository import Repository
from hub_server import serving
from pages import PAGES, ROOT, Block, blocks, commands, inline_commands
from slurm_cluster import SITE, Cluster

from cotsieve.study.settings.reading import read_study

STORIES = ("docs/own-data.md", "docs/tour.md")
"""Pages that are followed from top to bottom, in a checkout that has run the default study."""


class Instead(NamedTuple):
    """What is run in the place of a command, if anything, and why."""

    command: str | None
    why: str


INSTEAD = {
    r"cotsieve (.*)": Instead(r"python -m cotsieve \1", "a command of the installed wheel"),
    r"pip install \.": Instead(None, "tests/test_wheel.py builds and uses the wheel"),
    r"make (test|test-unit|test-slow)": Instead(
        r"make --dry-run \1", "these tests run by themselves"
    ),
    r"python -m pytest (.*)": Instead(
        r"python -m pytest --collect-only --quiet \1", "these tests run by themselves"
    ),
    r"python (benchmarks/\w+\.py)": Instead(r"ls \1", "takes minutes"),
    r"python -m benchmarks\.(\w+)": Instead(r"ls benchmarks/\1.py", "takes minutes"),
    r"git clone \S.* && cd cotsieve": Instead(None, "the address is the reader's to know"),
    r"nano (\S+)": Instead(r"ls \1", "an editor"),
    r"(docker|apptainer|sbatch) .*": Instead(None, "builds or needs an image of gigabytes"),
    r"pip install vllm": Instead(None, "several gigabytes, and of use only on a GPU"),
    r"hf auth login": Instead("hf auth --help", "asks for a token"),
    r"(sacctmgr|sinfo) .*": Instead(None, "asks a running Slurm; see the test of the cluster"),
    r"(.*) --software-deployment-method conda": Instead(None, "needs conda and a network"),
    r"(.*--profile profiles/slurm.*?)( -n)?": Instead(
        r"\1 --dry-run", "submits jobs; see the test of the cluster"
    ),
    r"(snakemake .*) /mnt/bucket": Instead(
        r"\1 bucket --dry-run", "tests/workflow/test_elsewhere.py runs a study so"
    ),
}
"""Pattern of a whole command → what is done with it. All others are run as they stand."""

PLACEHOLDERS = {"results/<study>/": "results/mine/", "<study>": "config/mine.yaml"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables that make an empty stand-in the hub."""
    with serving(Repository.absent()) as address:
        cache = str(tmp_path_factory.mktemp("hub"))
        yield {
            "HF_ENDPOINT": address,
            "HF_HOME": cache,
            "HF_TOKEN": "a-token-of-nobody",
            "HF_HUB_DISABLE_XET": "1",
        }


@pytest.fixture(scope="module")
def checkout(hub: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout that has run the default study."""
    made = Checkout.made(tmp_path_factory.mktemp("checkout"), hub)
    run("make run", "the first command of all", made)
    return made


@pytest.fixture(scope="module")
def mine(checkout: Checkout) -> Checkout:
    """The checkout after all of docs/own-data.md has been done in it."""
    follow("docs/own-data.md", checkout)
    return checkout


def test_own_data(mine):
    rows = pq.read_table(mine.folder / "results/mine/dataset/codi/data").to_pylist()
    targets = yaml.safe_load((mine.folder / "config/mine.yaml").read_text())["draw"]["targets"]
    assert len(rows) == sum(targets.values())
    assert all(row["problem_id"].startswith("mine-") for row in rows)


def test_the_tour(checkout, tmp_path):
    follow("docs/tour.md", checkout.copied_to(tmp_path))


def test_the_first_submission(checkout, shared, tmp_path):
    """One job is left to do, and is done by a real Slurm."""
    tool = shared / "tools" / "slurm-local.sh"
    if not tool.is_file() or not all(map(shutil.which, ("sbatch", "slurmctld", "slurmdbd"))):
        pytest.skip(f"needs Slurm; as root: {tool} install")
    here = checkout.copied_to(tmp_path / "checkout")
    page = here.folder / "results/default/report/index.html"
    page.unlink()
    profile = here.folder / "profiles/slurm/config.yaml"
    for line, ours in SITE.items():
        profile.write_text(profile.read_text("utf-8").replace(f"{line}\n", f"{ours}\n"))
    with Cluster(tool, tmp_path / "slurm").running() as cluster:
        for block in commands("docs/clusters.md"):
            if re.match(
                r"\.venv/bin/snakemake --profile profiles/slurm|sinfo|sacctmgr", block.text
            ):
                here.run(block.text, block.where, cluster.environment)
        assert [job.rule.partition("_")[0] for job in cluster.jobs()] == ["reporting"]
    assert page.is_file()


@pytest.mark.parametrize("page", [page for page in PAGES if page not in STORIES])
def test_a_page(page, mine):
    shutil.copy(mine.folder / "config/mine.yaml", mine.folder / "config/other.yaml")
    follow(page, mine)


def test_every_exception_is_needed():
    told = [block.text for page in PAGES for block in commands(page)]
    unused = [pattern for pattern in INSTEAD if not any(re.fullmatch(pattern, c) for c in told)]
    assert unused == []


def follow(page: str, checkout: Checkout) -> None:
    """Do what a page says, from top to bottom, and what it says in passing.

    What has been done here for another page is not done again, unless the page tells a story.
    """
    for block in blocks(page):
        if block.kind == "command":
            if page in STORIES or block.text not in checkout.done:
                run(block.text, block.where, checkout)
        elif block.kind:
            KINDS[block.kind](block, checkout)
        else:
            assert not shutil.which(block.text.split()[0]), f"{block.where}: is it a command?"
    for block in inline_commands(page):
        if block.text not in checkout.done:
            plain = re.sub(r"^make ", "make --dry-run ", block.text)
            run(plain, block.where, checkout)


def run(command: str, where: str, checkout: Checkout) -> None:
    """Run a command, or what stands for it."""
    checkout.done.add(command)
    for placeholder, value in PLACEHOLDERS.items():
        command = command.replace(placeholder, value)
    for pattern, instead in INSTEAD.items():
        found = re.fullmatch(pattern, command)
        if found and not instead.command:
            return
        if found:
            command = found.expand(instead.command)
            break
    checkout.run(command, where)


def write_yaml(block: Block, checkout: Checkout) -> None:
    """Write or change the study file that its first line names, or see that it is a study.

    A part of a study is read as a change of the default one; a whole one is planned, with a file of
    the columns it names.
    """
    named = re.fullmatch(r"# (in )?(config/\S+)", block.first_line)
    part = yaml.safe_load(block.text)
    if not named and "study" not in part:
        read_study(merged(default_study(), part), block.where)
        return
    if not named:
        shutil.copy(checkout.folder / "data/mine.csv", checkout.folder / "data/problems.csv")
        (checkout.folder / "config/whole.yaml").write_text(block.text, encoding="utf-8")
        checkout.run("snakemake --dry-run --configfile config/whole.yaml", block.where)
        return
    file = checkout.folder / named[2]
    if named[1]:
        part = merged(yaml.safe_load(file.read_text("utf-8")), part)
    read_study(part, block.where)
    text = yaml.safe_dump(part, sort_keys=False) if named[1] else block.text
    file.write_text(text, encoding="utf-8")


def run_python(block: Block, checkout: Checkout) -> None:
    checkout.run(f"python -c {shlex.quote(block.text)}", block.where)


def run_script(block: Block, checkout: Checkout) -> None:
    checkout.run(block.text, block.where)


def look_for_text(block: Block, checkout: Checkout) -> None:
    """All lines of the block must have been printed, in this order, others may stand between."""
    printed = iter(checkout.printed.splitlines())
    for line in block.text.splitlines():
        shown = any(line in heard for heard in printed)
        assert shown, f"{block.where}: not printed (in this order): {line}"


def run_other_workflow(block: Block, checkout: Checkout) -> None:
    """Plan the default study as a part of another workflow."""
    folder = checkout.folder / "another"
    folder.mkdir()
    text = block.text.replace("path/to/cotsieve", str(checkout.folder))
    assert text != block.text
    (folder / "Snakefile").write_text(f"configfile: 'config.yaml'\n{text}", encoding="utf-8")
    (folder / "config.yaml").write_text(yaml.safe_dump({"problems": default_study()}))
    checkout.run("cd another && snakemake --dry-run cotsieve_all", block.where)


KINDS = {
    "yaml": write_yaml,
    "python": run_python,
    "sh": run_script,
    "text": look_for_text,
    "snakemake": run_other_workflow,
    "mermaid": lambda block, checkout: None,  # tests/docs/test_rulegraph.py
}


def default_study() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))


def merged(study: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A study in which mappings are merged key by key."""
    result = dict(study)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result
