"""Measure scored answers. In: answers' scores per shard. Out: a row per sentence (SCORES)."""

import pyarrow as pa

from cotsieve.findings.anchors.scored import SCORES, score_rows
from cotsieve.ground.tables import read, write
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake) as log:
        rows = score_rows(pa.concat_tables([read(path) for path in snakemake.input]))
        failed = sum(row["error"] is not None for row in rows)
        log.info("%d sentences, %d of them not scored", len(rows), failed)
        write(rows, snakemake.output[0], SCORES)
