"""Report on a source. In: its file, other files. Out: how good its solutions are as chains."""

import json

from tokenizers import Tokenizer

from cotsieve.findings.quality import Measure, quality, quality_markdown, words
from cotsieve.ground.faults import bad
from cotsieve.ground.files import write_text
from cotsieve.problems.candidates import read_exclusion
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.places import model_files
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.places import located
from cotsieve.study.settings.reading import read_study
from cotsieve.study.settings.sources import exclusion_definition


def measure_of(study, name, fetched) -> Measure:
    """How chains are measured: by a model's own tokenizer, or in words."""
    if name is None:
        return Measure(words, "words", study.quality.positions, study.quality.exploratory)
    folder = located(model_files(study.models[name], fetched or None)["model"])
    if not (folder / "tokenizer.json").is_file():
        raise bad(folder, "there is no tokenizer.json", "Name another model in quality.model.")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    positions = study.quality.positions or config["max_position_embeddings"]

    def count(texts):
        encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [len(item.ids) for item in encoded]

    return Measure(count, f"tokens of {name}", positions, study.quality.exploratory)


if __name__ == "__main__":
    with at_work(snakemake):
        study, source = read_study(snakemake.config), snakemake.wildcards.source
        others = {
            item.path.rsplit("/", 1)[-1]: read_exclusion(
                located(item.path), exclusion_definition(item)
            ).values
            for item in study.quality.against
        }
        measure = measure_of(study, study.quality.model, snakemake.input.get("model"))
        problems = list(Plan(study).catalogue(source).problems())
        found = quality(problems, measure, others, snakemake.threads)
        write_text(snakemake.output.json, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        title = f"Solutions of {source} as chains of thought"
        write_text(snakemake.output.page, quality_markdown(title, found))
