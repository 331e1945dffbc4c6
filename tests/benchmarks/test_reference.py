"""The engine writes what the published procedure writes, on adapters that are not merged."""

import torch

from benchmarks import bench, running, shapes

MINI = (4, 64, 8, 2, 8, 128, 503, 16)


def test_the_engine_equals_the_reference(monkeypatch):
    monkeypatch.setitem(shapes.SHAPES, "mini", MINI)
    made = bench.Bench("mini", torch.device("cpu"))
    cases = made.cases(6, 4, runaways=False)
    zeroed = bench.ablations(made.model, 3)
    found = running.run(made.engine("float32", 16), running.work_of(cases, zeroed), cases)
    for index, case in enumerate(cases):
        wanted = made.reference.run(case, zeroed)
        assert [len(tokens) for tokens in wanted] == list(case.lengths)
        for condition, tokens in enumerate(wanted):
            done = found[index, condition]
            assert list(done.token_ids) == tokens or done.margin < 1e-3
    assert len({done.token_ids for done in found.values()}) > 12


def test_questions_have_the_lengths_of_gsm8k():
    lengths = sorted(len(tokens) for tokens in shapes.random_questions(7500, 128_259))
    assert abs(sum(lengths) / 7500 - 58.3) < 1.5
    assert (lengths[3750], lengths[7125]) == (54, 98)
    assert abs(lengths[7425] - 125) < 4 and lengths[-1] <= 210
