"""What the benchmark of written reasoning compares is the same text, however it is written."""

import torch
from transformers import GenerationConfig

from benchmarks import report, stock_writing, written, written_model


def test_every_way_of_writing_gives_the_same_tokens():
    sizes = written_model.SIZES["cpu"]._replace(problems=3, alone=3)
    bench = written_model.load(written_model.EMBEDDED, torch.device("cpu"), sizes)
    how = bench.model.engine.how
    config = GenerationConfig(
        do_sample=False,
        max_new_tokens=how.max_new_tokens,
        eos_token_id=sorted(how.stop_ids),
        pad_token_id=0,
    )
    prompts = {item.problem_id: bench.model.opened(item.question) for item in bench.problems}
    wanted = stock_writing.alone(bench.library, prompts, config)
    assert written._traced(bench) == wanted
    assert stock_writing.batched(bench.library, prompts, config) == wanted
    assert stock_writing.continuous(bench.library, prompts, config)() == wanted


def test_a_shared_prefix_is_read_at_most_a_twentieth_as_often(monkeypatch):
    monkeypatch.setattr(written_model, "ROUNDS", 1)
    sizes = written_model.SIZES["cpu"]._replace(
        problems=3, places=20, samples=20, continued=2, unshared=40
    )
    bench = written_model.load(written_model.EMBEDDED, torch.device("cpu"), sizes)
    _, apart = written.samples(bench)
    read, unlike = apart[-2:]
    assert float(read.split("(")[1].strip(")")) >= 20
    assert unlike == "0/40"


def test_parts_of_the_results_stay_when_another_is_written(tmp_path):
    file = tmp_path / "results.md"
    report.put(file, "cpu", "old")
    report.put(file, "Written reasoning, cpu", "words")
    report.put(file, "cpu", "new")
    text = file.read_text()
    assert text.count("## ") == 2 and text.count("# Benchmark results") == 1
    assert "new" in text and "words" in text and "old" not in text
