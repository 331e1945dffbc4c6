"""Where the problems come from, and which of them are candidates."""


rule fetch_source:
    """Fetch a split of a hub dataset at its pinned commit, once."""
    output:
        protected("results/{study}/sources/{source}-{pin}.parquet"),
    log:
        "results/{study}/logs/fetch_source/{source}-{pin}.log",
    wildcard_constraints:
        pin="[0-9a-f]{8}",
    localrule: True
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("fetch_source", by_hand=True),
    script:
        "../scripts/fetch_source.py"


rule problems:
    """List every candidate with its reference answer, steps and stratum, and what was excluded."""
    input:
        sources=[source_file(name) for name in study.sources],
        exclusions=[own_file(item.path) for item in study.select.exclude],
    output:
        problems="results/{study}/problems.parquet",
        exclusions="results/{study}/exclusions.json",
    log:
        "results/{study}/logs/problems.log",
    conda:
        "../../envs/cotsieve.yaml"
    params:
        identity=identity_of("problems"),
        code=code_of("problems"),
        problems={"problems": PROBLEMS},
    script:
        "../scripts/problems.py"
