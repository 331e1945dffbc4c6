"""However the work is cut into shards, batches and cores, every result has the same bytes."""

from pathlib import Path

import pytest
from running import files_under, run, study_of, write_study

ZERO = {"operation": "zero", "layer": "middle"}
CONDITIONS = {
    "zero-middle": ZERO,
    "mean-early": {"operation": "mean", "layer": "early", "thoughts": {"first": 3}},
    "resample-late": {"operation": "resample", "layer": "late", "seed": 3},
    "noise": {"operation": "noise", "layer": 1, "thoughts": [1, 4], "scale": 2.0},
    "frozen": ZERO | {"thoughts": [2], "rest": "frozen"},
    "as-published": ZERO | {"scope": "seed"},
    "patch": {"operation": "patch", "layer": "middle"},
}
CUTS = [
    # batch_rows, shard_size, held_rows, cores
    (64, 20, 1000, 1),
    (1, 50, 1000, 1),
    (7, 20, 1000, 2),
    (64, 50, 40, 2),
]
RESULTS = ("problems.parquet", "merged/", "necessity/", "dataset/", "summary/")


@pytest.fixture(scope="module")
def results(tiny_model, tmp_path_factory) -> list[dict[str, bytes]]:
    """Path → bytes of the results of the same study, cut in different ways."""
    found = []
    for batch_rows, shard_size, held_rows, cores in CUTS:
        folder = tmp_path_factory.mktemp("cut")
        study = study_of(
            tiny_model,
            sweeps={"main": {"conditions": CONDITIONS, "reference": {"problems": 10}}},
            engine={
                "batch_rows": batch_rows,
                "shard_size": shard_size,
                "held_rows": held_rows,
            },
        )
        write_study(folder, study, problems=30)
        # The last one with processes that start cold: sets have another order in each of them.
        run(folder, cores=cores, cold=held_rows == 40)
        found.append(kept(folder / "results" / "toy"))
    return found


def kept(folder: Path) -> dict[str, bytes]:
    return {
        name: content for name, content in files_under(folder).items() if name.startswith(RESULTS)
    }


def test_the_same_files_are_made(results):
    assert len(results[0]) >= 7
    assert all(found.keys() == results[0].keys() for found in results)


@pytest.mark.parametrize(
    "cut", range(1, len(CUTS)), ids=lambda index: "-".join(map(str, CUTS[index]))
)
def test_every_file_has_the_same_bytes(results, cut):
    differing = [name for name, content in results[cut].items() if content != results[0][name]]
    assert not differing
