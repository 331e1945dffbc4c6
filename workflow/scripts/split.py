"""Split traces. In: all traces of a model. Out: the sentences of the chosen ones (SENTENCES)."""

import itertools
from pathlib import Path

from cotsieve.engine.written.model import ReasoningModel, ReasoningStyle
from cotsieve.findings.anchors.anchor_table import SENTENCES
from cotsieve.findings.anchors.choice import chosen_traces, sentence_rows
from cotsieve.findings.grades import grade_rollouts
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import read, write
from cotsieve.interventions.places import placed_tokens
from cotsieve.rollouts.given_reasoning import stored_trace
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.of_job import plan_of
from cotsieve.study.jobs.places import model_files
from cotsieve.weights.tokenizer import load_tokenizer


def graded(path: str, references: dict[str, str], grader: str) -> list[dict]:
    """The baseline rollouts of a shard with their grades."""
    rollouts = read(path, ROLLOUTS)
    grades = grade_rollouts(rollouts, references, grader, 0, processes=snakemake.threads)
    return [row | grade for row, grade in zip(rollouts.to_pylist(), grades, strict=True)]


if __name__ == "__main__":
    with at_work(snakemake) as log:
        plan, told = plan_of(snakemake), named(snakemake.params)["anchors"]
        settings = plan.study.models[snakemake.wildcards.model]
        folder = Path(model_files(settings, snakemake.input.get("model") or None)["model"])
        style = ReasoningStyle(**settings.style.model_dump())
        model = ReasoningModel(None, None, load_tokenizer(folder), style)
        problems = {problem.problem_id: problem for problem in plan.candidates()}
        references = {name: problem.answer for name, problem in problems.items()}

        def placed(row):
            trace = stored_trace(model, problems[row["problem_id"]], row, told["given"])
            return placed_tokens(trace.reasoning, model.text)

        choose = dict(told["choose"])
        grader = choose.pop("grader")
        rows = [row for path in snakemake.input.traces for row in graded(path, references, grader)]
        samples = {
            name: list(group)
            for name, group in itertools.groupby(rows, lambda row: row["problem_id"])
        }
        chosen = chosen_traces(samples, placed, most=told["most"], **choose)
        sentences = list(sentence_rows(chosen, references, told["every"]))
        log.info("%d of %d problems, %d traces", len({c.row["problem_id"] for c in chosen}),
                 len(samples), len(chosen))  # fmt: skip
        log.info("%d sentences", len(sentences))
        write(sentences, snakemake.output[0], SENTENCES, {"anchors": told})
