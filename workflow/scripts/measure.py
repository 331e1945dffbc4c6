"""Measure sentences. In: outcomes, likeness, pairs. Out: a row per sentence (ANCHORS)."""

from cotsieve.findings.anchors.anchor_table import ANCHORS, LABELS, SENTENCES, anchors
from cotsieve.findings.anchors.importance import Measuring
from cotsieve.findings.anchors.likeness import LIKENESS
from cotsieve.findings.anchors.pairs import PAIRS
from cotsieve.findings.anchors.trace_rollouts import OUTCOMES
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import provenance, read, write
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake) as log:
        given, told = snakemake.input, named(snakemake.params)["anchors"]
        pairs, labels = given.get("pairs"), given.get("labels")
        table = anchors(
            read(given.sentences, SENTENCES),
            (read(path, OUTCOMES) for path in given.outcomes),
            read(given.likeness, LIKENESS),
            Measuring(**told),
            read(pairs[0], PAIRS) if pairs else None,
            read(labels[0], LABELS) if labels else None,
        )
        log.info("%d sentences", len(table))
        origin = {"measures": told} | provenance(given.sentences)
        write(table, snakemake.output[0], ANCHORS, origin)
