"""cotsieve: find the problems a model solves only through its chain of thought."""

from snakemake.utils import min_version

min_version("9.10")

# A study given with --configfile replaces the default one; it is not mixed into it.
if not workflow.overwrite_configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/problems.smk"
include: "workflow/rules/rollouts.smk"
include: "workflow/rules/dataset.smk"


rule all:
    """Draw the dataset of every model of the study."""
    default_target: True
    input:
        expand("results/{study}/summary/{model}.txt", study=STUDY, model=MODELS),


onsuccess:
    print_summaries()
