"""What reasoning does. In: merged rollouts, problems. Out: accuracy with it and without it."""

import json

from cotsieve.findings.merge import MERGED
from cotsieve.findings.reasoning.runs import effects, effects_csv, plain_effect, runs
from cotsieve.ground.files import write_text
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read
from cotsieve.problems.problem import PROBLEMS
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake):
        merged = read(snakemake.input.merged, MERGED)
        problems = read(snakemake.input.problems, PROBLEMS)
        told = named(snakemake.params)
        how = told["traces"]
        found = [
            {"sweep": sweep, **entry}
            for sweep in told["sweeps"]
            for entry in effects(runs(merged, problems, sweep, how["close"], how["given"]))
        ]
        plain = [entry | {"effect": plain_effect(entry["effect"])} for entry in found]
        write_text(snakemake.output.json, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
        write_text(snakemake.output.csv, effects_csv(found))
