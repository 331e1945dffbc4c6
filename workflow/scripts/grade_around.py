"""Grade rollouts around sentences. In: rollouts. Out: what became of each (OUTCOMES)."""

import pyarrow as pa

from cotsieve.findings.anchors.anchor_table import SENTENCES
from cotsieve.findings.anchors.outcomes import judged, read_rollouts
from cotsieve.findings.anchors.trace_rollouts import OUTCOMES, by_trace
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import parts, read, write
from cotsieve.interventions.prefixes import prefix
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake):
        told = named(snakemake.params)
        grading = told["grading"]
        rows = read(snakemake.input.sentences, SENTENCES).to_pylist()
        references = {row["problem_id"]: row["reference_answer"] for row in rows}
        chunks: dict[tuple[str, int], list[str]] = {}
        for row in rows:
            chunks.setdefault((row["problem_id"], row["sample"]), []).append(row["text"])
        before = {
            (*name, number): prefix(texts, number, "joined")
            for name, texts in chunks.items()
            for number in range(len(texts))
        }
        found = [
            read_rollouts(parts(path, ROLLOUTS), kind, grading["grader"], before)
            for kind, path in zip(told["kinds"], snakemake.input.rollouts, strict=True)
        ]
        outcomes = judged(
            by_trace(pa.concat_tables(found)),
            references,
            grading["grader"],
            grading["tolerance"],
            processes=snakemake.threads,
        )
        write(outcomes, snakemake.output[0], OUTCOMES, {"grading": grading})
