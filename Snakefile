"""cotsieve: find the problems a model solves only through its chain of thought."""

from snakemake.utils import min_version

min_version("9.10")

# A study given with --configfile replaces the default one; it is not mixed into it.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/params.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/problems.smk"
include: "workflow/rules/rollouts.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/reasoning.smk"
include: "workflow/rules/anchored.smk"
include: "workflow/rules/anchors.smk"
include: "workflow/rules/report.smk"


rule all:
    """Make every table and dataset that a study is run for."""
    default_target: True
    input:
        f"results/{STUDY}/problems.parquet",
        f"results/{STUDY}/exclusions.json",
        expand("results/{study}/merged/{model}.parquet", study=STUDY, model=MODELS),
        expand("results/{study}/necessity/{model}.parquet", study=STUDY, model=MODELS),
        # Every file of a dataset, so that one that is missing is noticed.
        expand(
            "results/{study}/dataset/{model}/{file}",
            study=STUDY,
            model=MODELS,
            file=[
                "data/train-00000-of-00001.parquet",
                "dataset.json",
                "README.md",
                "croissant.json",
            ],
        ),
        expand("results/{study}/summary/{model}.txt", study=STUDY, model=MODELS),
        expand("results/{study}/reasoning/{model}.json", study=STUDY, model=REASONING),
        published_traces(),
        [table for model in ANCHORED for table in anchored.tables(model)],
        expand(
            "results/{study}/report/anchors/{model}.html", study=STUDY, model=ANCHORED
        ),
        f"results/{STUDY}/report/index.html",
        f"results/{STUDY}/report/figures",
        f"results/{STUDY}/report/throughput.html",


onstart:
    start()


onsuccess:
    if workflow.touch:
        accept()
    print_summaries()
