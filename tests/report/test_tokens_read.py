"""What was read around sentences is summed up from the logs of the jobs."""

from cotsieve.report.tokens_read import tokens_read


def test_logs_of_a_model_are_summed_up(tmp_path):
    for shard, read in (("0000", 120), ("0001", 80)):
        log = tmp_path / "logs/resample/r1/resample/toy" / f"{shard}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"2026 INFO {read} tokens read, 9{read} saved by reading\n2026 INFO end\n")
    (line,) = tokens_read(tmp_path)
    assert line.startswith("r1: 200 tokens read")
    assert f"{9120 + 980:,} saved" in line
    assert tokens_read(tmp_path / "other") == []
