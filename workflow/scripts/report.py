"""Report a study. In: all its tables. Out: one page, its figures, and the times measured so far."""

from pathlib import Path

from cotsieve.ground.files import write_text
from cotsieve.ground.named_params import named
from cotsieve.ground.version import VERSION
from cotsieve.report.job import read_model_tables, read_study_tables, write_report
from cotsieve.report.throughput import job_times, throughput_page
from cotsieve.study.identity.at_work import at_work
from cotsieve.study.jobs.completed import completed
from cotsieve.study.settings.outcome import Draw
from cotsieve.study.settings.part import whole

if __name__ == "__main__":
    with at_work(snakemake):
        given, study = snakemake.input, snakemake.wildcards.study
        told = named(snakemake.params)
        graders = {Path(path).stem: path for path in given.graders}
        models = [
            read_model_tables(
                name,
                merged=merged,
                necessity=necessity,
                drawn=drawn,
                graders=graders.get(name),
                about=dict(about),
                told=completed,
            )
            for (name, about), merged, necessity, drawn in zip(
                told["models"].items(),
                given.merged,
                given.necessity,
                given.drawn,
                strict=True,
            )
        ]
        decided = told["settings"]
        draw = whole(Draw, decided["draw"])
        settings = {"cotsieve": VERSION, **told["origin"]}
        settings |= completed({"grading": decided["grading"]})
        settings["draw"] = {name: value for name, value in draw.items() if value is not None}
        tables = read_study_tables(study, given.problems, given.exclusions, models, settings)
        write_report(snakemake.output.page, snakemake.output.figures, tables, told["anchors"])
        times = throughput_page(study, job_times(f"results/{study}"))
        write_text(snakemake.output.times, times)
