"""Draw a dataset. In: verdicts, merged rollouts. Out: the dataset folder and a short summary."""

from cotsieve.findings.dataset.drawing import draw_dataset
from cotsieve.ground.named_params import named
from cotsieve.ground.tables import provenance
from cotsieve.ground.version import VERSION
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.completed import completed
from cotsieve.study.settings.outcome import Draw
from cotsieve.study.settings.part import whole

if __name__ == "__main__":
    with at_work(snakemake):
        told = named(snakemake.params)
        existing = told["existing problems"]
        rule = whole(Draw, told["draw"])
        origin = told["origin"] | provenance(snakemake.input.necessity)
        draw_dataset(
            model=snakemake.wildcards.model,
            study=snakemake.wildcards.study,
            necessity=snakemake.input.necessity,
            merged=snakemake.input.merged,
            exclusions=snakemake.input.exclusions,
            existing=next(iter(snakemake.input.existing), None),
            variant=existing[0] if existing else None,
            card_file=snakemake.output.card,
            summary_file=snakemake.output.summary,
            about=told["about"],
            made={"cotsieve": VERSION} | completed(origin),
            **told["sieve"],
            **{key: value for key, value in rule.items() if value is not None},
        )
