"""Import published rollouts. In: a folder. Out: sentences, outcomes, texts, labels, traces."""

import tempfile
from pathlib import Path

import pyarrow as pa

from cotsieve.findings.anchors.anchor_table import LABELS, SENTENCES
from cotsieve.findings.anchors.export import unpack_hub_table
from cotsieve.findings.anchors.imported import (
    TRACES,
    label_rows,
    sentences_of_published,
    texts_of_published,
    trace_row,
)
from cotsieve.findings.anchors.outcomes import judged, published_outcomes
from cotsieve.findings.anchors.published import ROLLOUTS_TABLE, published_traces
from cotsieve.findings.anchors.trace_rollouts import FORCED, OUTCOMES, RESAMPLED
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import write, writing
from cotsieve.rollouts.schema import ROLLOUTS
from cotsieve.study.identity.at_work import at_work


def import_all(log, told: dict, root: Path) -> None:
    """Write every table of the traces below `root`, a trace at a time."""
    to, grading = snakemake.output, told["grading"]
    sentences, labels, traces, outcomes = [], [], [], []
    with (
        writing(to.resample, ROLLOUTS) as add_resampled,
        writing(to.force, ROLLOUTS) as add_forced,
    ):
        for trace in published_traces(root):
            add_resampled(texts_of_published(trace, RESAMPLED))
            add_forced(texts_of_published(trace, FORCED))
            outcomes.append(published_outcomes(trace))
            sentences += sentences_of_published(trace, told["every"])
            labels += label_rows(trace)
            traces.append(trace_row(trace))
    rows = judged(  # all at once: a grader takes seconds to be ready
        pa.concat_tables(outcomes),
        {row["problem_id"]: row["reference_answer"] for row in sentences},
        grading["grader"],
        grading["tolerance"],
        published=True,
        processes=snakemake.threads,
    )
    failed = rows["status"].to_pylist().count("error")
    write(rows, to.outcomes, OUTCOMES, {"grading": grading})
    log.info("%d traces, %d sentences", len(traces), len(sentences))
    log.info("%d rollouts were published as failed and are kept apart", failed)
    write(sentences, to.sentences, SENTENCES, {"published": told["published"]})
    write(pa.Table.from_pylist(labels, schema=LABELS), to.labels, LABELS)
    write(traces, to.traces, TRACES)


if __name__ == "__main__":
    with at_work(snakemake) as log:
        told, root = named(snakemake.params), Path(snakemake.input.published)
        tables = sorted(path for path in root.rglob("*.parquet") if path.name != ROLLOUTS_TABLE)
        if not tables:
            import_all(log, told, root)
        else:
            near = Path(snakemake.output.sentences).parent
            with tempfile.TemporaryDirectory(dir=near, prefix=".unpacked-") as folder:
                count = unpack_hub_table(tables, folder, told["under"])
                log.info("%d files unpacked from the published table", count)
                import_all(log, told, Path(folder))
