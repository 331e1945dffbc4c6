"""What must hold for writing on from starts: no batch, family or memory limit shows."""

from functools import cache

import pytest
import torch
from starts import LENGTHS, lone, relatives, run, starts, tokens
from written import GREEDY, SAMPLED, load, make_reasoner, stock, written_on

from cotsieve.engine.slots import Sizes
from cotsieve.engine.written import engine as writing
from cotsieve.engine.written.rows import LeanRows
from cotsieve.engine.written.starts import Start, families, family_of


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    return cache(lambda family: make_reasoner(tmp_path_factory.mktemp(family), family))


@pytest.fixture(scope="module")
def folder(make):
    return make("qwen2")


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_equals_the_library(make, family):
    folder = make(family)
    model, library = load(folder, 4), stock(folder)
    found = run(model, lone(starts()))
    certain = 0
    for start in starts():
        expected, gap = written_on(library, start.tokens, GREEDY["max_new_tokens"])
        if gap >= 1e-3:
            certain += 1
            assert list(found[start.key][0]) == expected
    assert certain > 5


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_members_of_a_family_write_as_if_alone(folder, rows):
    groups = [relatives(0), relatives(1, 120), relatives(2, 33)]
    model = load(folder, rows)
    alone = load(folder, 1)
    assert run(model, groups) == run(alone, lone([start for group in groups for start in group]))


def test_what_a_family_shares_is_read_once(folder):
    model = load(folder)
    groups = [relatives(0, 200)]
    run(model, groups)
    naive = sum(len(start.tokens) for start in groups[0])
    strangers = len(groups[0][-1].tokens) + len(groups[0][-3].tokens) + len(groups[0][-2].tokens)
    assert model.engine.tokens_read < 200 + 50 + strangers < naive
    sizes = [len(family.members) for family in families(groups[0])]
    assert max(sizes) >= 5


def test_seats_of_rows_that_ended_lie_before_the_longest(folder):
    """They are fed with the others, and kernels walk over as many keys as the longest row has."""
    decoder = load(folder).engine.decoder
    rows = LeanRows(decoder, 250, Sizes(2, 512))
    with torch.inference_mode():
        rows.begin(
            [family_of([Start((n, 0), tokens(count))]) for n, count in enumerate((300, 5))], (0, 1)
        )
        rows.leave([0], broken=[])
    assert rows.longest() == 6 > int(rows.slots.places.max()) and not rows.slots.shared.any()


@pytest.mark.parametrize("rows", [2, 5])
@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_batch_that_is_refilled_equals_rows_alone(folder, rows, decoding):
    """More starts than rows, each written for longer than one look at the queue."""
    decoding = decoding | {"max_new_tokens": 90}
    found = run(load(folder, rows, decoding), lone(starts()))
    assert found == run(load(folder, 1, decoding), lone(starts()))
    lengths = {len(ids) for ids, _ in found.values()}
    assert max(lengths) == 90
    if decoding["temperature"]:
        assert len(lengths) > 1  # rows end at different times


def test_samples_of_one_start_differ(folder):
    same = [Start((0, place), tokens(20), seed=place) for place in range(8)]
    found = run(load(folder, 8, SAMPLED), [same])
    assert len({ids for ids, _ in found.values()}) == 8
    again = [Start((0, place), tokens(20), seed=3) for place in range(4)]
    assert len({ids for ids, _ in run(load(folder, 8, SAMPLED), [again]).values()}) == 1


@pytest.mark.parametrize("span", [(3, 11), (0, 20), (5, 39)])
def test_hidden_places_are_hidden_from_all_that_follows(folder, span):
    """Against the library with a mask over the whole text, also for the tokens read behind."""
    trunk = tokens(40)
    group = [
        Start((0, 0), trunk + tokens(8, 1)),
        Start((0, 1), trunk, unseen=span),
        Start((0, 2), trunk + tokens(3, 2), unseen=span),
        Start((0, 3), trunk[:30]),
    ]

    def mask(length: int) -> torch.Tensor:
        seen = torch.ones(length, length).tril().bool()
        seen[span[1] :, span[0] : span[1]] = False
        return seen

    model, library = load(folder), stock(folder)
    found = run(model, [group])
    for start in group:
        expected, gap = written_on(library, start.tokens, 12, mask if start.unseen else None)
        assert gap < 1e-3 or list(found[start.key][0]) == expected
    assert found[0, 1] != run(model, [[Start((0, 1), trunk)]])[0, 1]
    assert found == run(load(folder, 1), lone(group))


class Cramped:
    """A decoder with memory for so many rows, for reading so many tokens, and a limited length."""

    def __init__(self, decoder, rows: int, read: int = 10**6, longest: int = 10**6):
        self._decoder, self._rows, self._read, self._longest = decoder, rows, read, longest
        self.failures = 0

    def __getattr__(self, name):
        return getattr(self._decoder, name)

    def _refuse(self) -> None:
        self.failures += 1
        raise torch.OutOfMemoryError("not enough memory, says the test")

    def run(self, inputs, at, edit=None):
        rows, count = inputs.shape[:2]
        if at.lengths is None:
            longest = int(at.positions.max()) + 1
            if rows > self._rows or longest > self._longest:
                self._refuse()
        elif rows * count > self._read:
            self._refuse()
        return self._decoder.run(inputs, at, edit)


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize(("rows", "read"), [(1, 10**6), (4, 130), (64, 201)])
def test_running_out_of_memory_changes_no_row(folder, decoding, rows, read):
    decoding = decoding | {"max_new_tokens": 8}
    groups = [relatives(0), relatives(1, 60), *lone(starts())]
    groups = [
        [Start((g, s.key[1]), s.tokens, seed=s.seed) for s in group]
        for g, group in enumerate(groups)
    ]
    expected = run(load(folder, 1, decoding), [[start] for group in groups for start in group])
    model = load(folder, 64, decoding)
    model.engine.decoder = cramped = Cramped(model.engine.decoder, rows, read)
    assert run(model, groups) == expected
    assert cramped.failures


def test_memory_that_runs_out_late_loses_no_row(folder):
    """Some rows have ended in the very steps in which it happens."""
    decoding = SAMPLED | {"max_new_tokens": 80, "temperature": 3.0, "top_p": 1.0}
    many = [Start((n, 0), tokens(20, n), seed=n) for n in range(16)]
    expected = run(load(folder, 1, decoding), lone(many))
    assert len({len(ids) for ids, _ in expected.values()}) > 3
    model = load(folder, 16, decoding)
    model.engine.decoder = cramped = Cramped(model.engine.decoder, 7)
    assert run(model, lone(many)) == expected
    assert cramped.failures


def test_a_row_that_never_fits_fails_alone(folder):
    model, wanted = load(folder), run(load(folder), lone(starts()))
    model.engine.decoder = Cramped(model.engine.decoder, 64, longest=64)
    waiting = [family for group in lone(starts()) for family in families(group)]
    finished = dict(row for rows in model.engine.run(waiting) for row in rows)
    assert finished.keys() == wanted.keys()
    for key, done in finished.items():
        if LENGTHS[key[0]] + GREEDY["max_new_tokens"] - 1 > 64:
            assert done.finish_reason == "failed" and "memory" in done.error
        else:
            assert (done.token_ids, done.finish_reason) == wanted[key]


def test_an_error_that_is_not_about_memory_is_raised(folder):
    model = load(folder)

    def step(*_):
        raise RuntimeError("shapes do not match")

    model.engine.decoder.run = step
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(model, lone(starts()))


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_tokens_that_are_settled_alone_are_the_same(folder, decoding, monkeypatch):
    """Every token computed anew from the start itself, hidden places included."""
    trunk = tokens(40)
    hidden = [Start((0, 0), trunk), Start((0, 1), trunk, unseen=(3, 30), seed=1)]
    groups = [hidden, lone(starts(LENGTHS[:3]))[2], relatives(7)[:4]]
    expected = run(load(folder, 64, decoding), groups)
    monkeypatch.setattr(writing, "NEAR_TIE", 1e9)
    monkeypatch.setattr(writing, "NEAR_EDGE", 1e9)
    model = load(folder, 64, decoding)
    assert run(model, groups) == expected
    assert model.engine.settled >= sum(len(ids) for ids, _ in expected.values())


def test_narrow_formats_settle_nothing(folder):
    model = load(folder)
    model.engine.decoder.dtype = torch.bfloat16
    assert model.engine.near() == 0
