"""Show anchors. In: all tables of a model's sentences. Out: a page on which traces are read."""

from cotsieve.findings.anchors.anchor_table import ANCHORS
from cotsieve.findings.anchors.likeness import LIKENESS
from cotsieve.findings.anchors.pairs import PAIRS
from cotsieve.findings.anchors.scored import SCORES
from cotsieve.findings.anchors.trace_rollouts import OUTCOMES
from cotsieve.ground.files import write_text
from cotsieve.ground.tables import read
from cotsieve.report.facts.anchors import anchor_facts
from cotsieve.report.page.anchors import anchors_page
from cotsieve.study.identity.at_work import at_work

if __name__ == "__main__":
    with at_work(snakemake):
        given, names = snakemake.input, snakemake.wildcards
        pairs, scores = given.get("pairs"), given.get("scores")
        facts = anchor_facts(
            read(given.anchors, ANCHORS),
            (read(path, OUTCOMES) for path in given.outcomes),
            read(given.likeness, LIKENESS),
            read(pairs[0], PAIRS) if pairs else None,
            read(scores[0], SCORES) if scores else None,
        )
        write_text(snakemake.output[0], anchors_page(names.study, names.model, facts))
