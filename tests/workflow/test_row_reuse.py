"""Rows that are the same are not generated again: real runs, counted by what their logs say."""

import re
import shutil
from pathlib import Path

from place import SOURCE, Place

from cotsieve.ground.tables import read, write
from cotsieve.rollouts.schema import ROLLOUTS

KEPT = re.compile(r"(\d+) rows are kept from before")
ZERO = {"operation": "zero", "layer": "middle"}


def generated(place: Place, sweep: str = "main", cores: int = 2) -> dict[str, int]:
    """Shard → rows it generated, for the jobs of model `other` that a run of its rollouts starts.

    What they printed is taken away, so that the next call tells of its own jobs alone.
    """
    logs = place.results / "logs/generate/other" / sweep / "toy"
    shutil.rmtree(logs, ignore_errors=True)
    wanted = [file for file in place.planned().outputs if f"/rollouts/other/{sweep}/" in file]
    if wanted:
        place.run(*wanted, "--cores", str(cores))
    rows = {log.stem: len(rollouts(place, sweep, log.stem)) for log in sorted(logs.glob("*.log"))}
    return {
        shard: count - int(KEPT.search((logs / f"{shard}.log").read_text())[1])
        for shard, count in rows.items()
    }


def rollouts(place: Place, sweep: str, shard: str) -> list[dict]:
    file = place.results / "rollouts/other" / sweep / "toy" / f"{shard}.parquet"
    return read(file, ROLLOUTS).to_pylist()


def test_only_new_rows_are_generated(finished: Place, tmp_path: Path):
    place = finished.copied_to(tmp_path)
    place.edit_rows(lambda rows: rows.__delitem__(slice(8, None)))
    assert generated(place) == {}, "a shard taken away leaves the others"

    place.change_study(
        {"sweeps": {"main": {"conditions": {"zero-late": ZERO | {"layer": "late"}}}}}
    )
    assert generated(place) == {"0000": 4, "0001": 4}, "the new condition alone"

    place.edit_rows(lambda rows: rows[5].update(question="Now: " + rows[5]["question"]))
    assert generated(place) == {"0001": 3}, "the edited problem alone"

    place.change_study({"engine": {"shard_size": 8}})
    assert generated(place) == {"0000": 0}, "nothing for another shard size"

    place.edit_rows(
        lambda rows: rows.extend([row | {"question": f"{row['question']} So?"} for row in rows[:2]])
    )
    assert generated(place) == {"0001": 6}, "the appended problems alone"

    more = {"same": ZERO, "early": ZERO | {"layer": "early"}}
    place.change_study({"sweeps": {"more": {"conditions": more, "models": ["other"]}}})
    assert generated(place, "more") == {"0000": 8, "0001": 2}, "not what sweeps share"

    merged = "results/toy/merged/other.parquet"
    place.run(merged)
    afresh = Place(tmp_path / "afresh")
    shutil.copytree(place.checkout, afresh.checkout)
    for name in ("models", "study.yaml", SOURCE, "excluded.txt", "existing.json"):
        copy = shutil.copytree if (place.work / name).is_dir() else shutil.copy2
        afresh.work.mkdir(exist_ok=True)
        copy(place.work / name, afresh.work / name)
    afresh.run(merged)
    assert (place.work / merged).read_bytes() == (afresh.work / merged).read_bytes()


def test_what_a_killed_job_left_counts_under_its_own_settings_alone(
    finished: Place, tmp_path: Path
):
    place = finished.copied_to(tmp_path)
    rows = rollouts(place, "main", "0001")
    kept = place.results / "kept/other/toy"
    shutil.rmtree(kept)
    write(rows[:5], kept / "00000004-00000007.main.parts/000001.parquet", ROLLOUTS)
    table = place.results / "rollouts/other/main/toy/0001.parquet"
    table.unlink()
    assert generated_shard(place) == 3, "what the killed job had not finished"
    assert without_margin(rollouts(place, "main", "0001")) == without_margin(rows)

    table.unlink()
    place.change_study({"decoding": {"max_new_tokens": 5}})
    assert generated_shard(place) == 8, "everything, since the settings are others"
    shorter = rollouts(place, "main", "0001")
    assert {len(row["token_ids"]) for row in shorter} <= set(range(6))
    assert not {row["row_key"] for row in shorter} & {row["row_key"] for row in rows}


def test_one_load_serves_every_stale_shard(finished: Place, tmp_path: Path):
    place = finished.copied_to(tmp_path)
    place.change_study({"engine": {"ahead": 9}, "decoding": {"max_new_tokens": 6}})
    made = generated(place, cores=1)  # at a time, as where there is one GPU
    assert sorted(made) == ["0000", "0001", "0002"]
    assert sorted(made.values()) == [0, 0, 8], "one job makes the rows of all"
    assert sorted(loads(place)) == [0, 0, 1]

    place.edit_rows(lambda rows: rows[9].update(question="Now: " + rows[9]["question"]))
    assert generated(place) == {"0002": 2}, "the stale shard alone"
    assert loads(place) == [1]


def loads(place: Place) -> list[int]:
    """How often the model was loaded by each job of the last call of `generated`."""
    logs = sorted((place.results / "logs/generate/other/main/toy").glob("*.log"))
    return [log.read_text().count("model loaded") for log in logs]


def without_margin(rows: list[dict]) -> list[dict]:
    """Rows without the number whose last bits depend on the batch."""
    return [row | {"margin": None} for row in rows]


def generated_shard(place: Place) -> int:
    """Rows that are generated when shard 0001 of `main` is asked for."""
    place.run("results/toy/rollouts/other/main/toy/0001.parquet")
    log = (place.results / "logs/generate/other/main/toy/0001.log").read_text()
    return len(rollouts(place, "main", "0001")) - int(KEPT.search(log)[1])
