"""Export traces. In: merged rollouts, problems. Out: files in the form of the study "R2A"."""

from pathlib import Path

from cotsieve.findings.merge import MERGED
from cotsieve.findings.reasoning.trace_files import export_traces, read_trace_file
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read
from cotsieve.problems.problem import PROBLEMS
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake) as log:
        told = named(snakemake.params)
        merged = read(snakemake.input.merged, MERGED)
        problems = read(snakemake.input.problems, PROBLEMS)
        folder = Path(snakemake.output[0])
        folder.mkdir(parents=True, exist_ok=True)
        files = export_traces(folder, merged, problems, **told["form"])
        found = sum(1 for name in files for _ in read_trace_file(folder / name))
        log.info("%d files in %s; %d traces are read back from them", len(files), folder, found)
