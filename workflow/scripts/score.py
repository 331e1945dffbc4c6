"""Score answers. In: sentences, traces, a model. Out: a row per sentence (ANSWER_SCORES)."""

import itertools

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.ground.tables import read
from cotsieve.rollouts.around.answer_scores import score_traces
from cotsieve.rollouts.recipe import Recipe
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.making import DECIDES, Making

if __name__ == "__main__":
    with at_work(snakemake):
        making, given = Making.of(snakemake), snakemake.input
        problems = {problem.problem_id: problem for problem in making.problems}
        known = pa.array(list(problems), pa.string())
        sentences = read(given.sentences, where=lambda rows: pc.is_in(rows["problem_id"], known))
        chosen = sentences["problem_id"].combine_chunks()
        rollouts = read(
            given.traces, ROLLOUTS, where=lambda rows: pc.is_in(rows["problem_id"], chosen)
        )
        rows = {(row["problem_id"], row["sample"]): row for row in rollouts.to_pylist()}
        traces = [
            (problems[name[0]], rows[name], list(group))
            for name, group in itertools.groupby(
                sentences.to_pylist(), lambda row: (row["problem_id"], row["sample"])
            )
        ]
        recipe = Recipe({}, {name: making.told[name] for name in DECIDES}, None)
        score_traces(making.job(snakemake, "anchors-score", recipe), traces)
