"""Changes of params, in words."""

import pytest

from cotsieve.study.checks.explain import Explained, changes, grouped

DIGEST, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2

CASES = {
    # old, new, what is told
    "nothing": ({"decoding": {"a": 1}}, {"decoding": {"a": 1}}, []),
    "a value": (
        {"decoding": {"max_new_tokens": 16}},
        {"decoding": {"max_new_tokens": 32}},
        ["decoding.max_new_tokens: 16 → 32"],
    ),
    "a value from its default": (
        {"decoding": {}},
        {"decoding": {"stop_at": "number"}},
        ["decoding.stop_at: eos (default) → number"],
    ),
    "a value to its default": (
        {"conditions": {"noise": {"operation": "noise", "layer": 1, "scale": 2.0}}},
        {"conditions": {"noise": {"operation": "noise", "layer": 1}}},
        ["conditions.noise.scale: 2.0 → 1.0 (default)"],
    ),
    "a value whose default is none": (
        {"model": {"lora": {"alpha": 2.0}}},
        {"model": {"lora": {"alpha": 2.0, "rank": 4}}},
        ["model.lora.rank: not set → 4"],
    ),
    "a value of a part that was left out": (
        {"model": {"family": "reasoning"}},
        {"model": {"family": "reasoning", "style": {"prompt": "chat"}}},
        ["model.style.prompt: raw (default) → chat"],
    ),
    "a key that a study file does not have": (
        {"model": {"precision": "bf16", "batch_rows": 64}},
        {"model": {}},
        ["model.precision: bf16 → float32 (default)", "model.batch_rows: 64 → not set"],
    ),
    "a number of another kind": ({"draw": {"a": 1}}, {"draw": {"a": 1.0}}, ["draw.a: 1 → 1.0"]),
    "code": (
        {"code": ["1a.0", "1b.0"], "engine": ["1b.0"]},
        {"code": ["1a.1", "2b.0"], "engine": ["2b.0"]},
        ["code: b.py edited"],
    ),
    "much code": (
        {"code": []},
        {"code": ["1", "2", "3", "4", "5"]},
        ["code: a, b, c and 2 more edited"],
    ),
    "code that lost a file": (
        {"code": ["1a.0", "1b.0"]},
        {"code": ["1a.0"]},
        ["code: other files are used"],
    ),
    "a library": (
        {"libraries": {"torch": "2.11", "transformers": "5.23.0"}},
        {"libraries": {"torch": "2.11", "transformers": "5.24.0"}},
        ["library transformers 5.23.0 → 5.24.0"],
    ),
    "weights": (
        {"model": {"checkpoint": {"model.safetensors": DIGEST}}},
        {"model": {"checkpoint": {"model.safetensors": OTHER}}},
        ["model.checkpoint.model.safetensors: content changed"],
    ),
    "rows": (
        {"problems": {"rows": 4, "content": DIGEST}},
        {"problems": {"rows": 5, "content": OTHER}},
        ["problems: 4 rows → 5 rows"],
    ),
    "content of rows": (
        {"problems": {"rows": 4, "content": DIGEST}},
        {"problems": {"rows": 4, "content": OTHER}},
        ["problems: not the same 4 rows as before"],
    ),
    "reference problems that moved": (
        {"reference problems": {"content": DIGEST, "ids": ["a", "b", "c"]}},
        {"reference problems": {"content": OTHER, "ids": ["d", "a", "b"]}},
        ["reference problems: d entered, c left"],
    ),
    "a reference problem that was edited and stays": (
        {"reference problems": {"content": DIGEST, "ids": ["a"]}},
        {"reference problems": {"content": OTHER, "ids": ["a"]}},
        ["reference problems: the question of one was edited"],
    ),
    "reference problems of another time": (
        {"reference problems": DIGEST},
        {"reference problems": {"content": OTHER, "ids": ["a"]}},
        ["reference problems: chosen otherwise"],
    ),
    "all candidates": (
        {"problems": DIGEST},
        {"problems": OTHER},
        ["problems: sources, exclusions, limit or strata changed"],
    ),
    "answers": (
        {"answers": DIGEST},
        {"answers": OTHER},
        ["reference answers: changed, or those of other problems than before"],
    ),
    "conditions": (
        {"conditions": {"baseline": None, "zero": {"layer": 1}}},
        {"conditions": {"baseline": None, "mean": {"layer": 1}}},
        ["conditions.mean: added", "conditions.zero: removed"],
    ),
    "the order of conditions": (
        {"conditions": {"zero": {"layer": 1}, "mean": {"layer": 1}}},
        {"conditions": {"mean": {"layer": 1}, "zero": {"layer": 1}}},
        ["conditions: the order changed"],
    ),
    "a list": (
        {"sweeps": {"main": ["baseline", "zero"]}},
        {"sweeps": {"main": ["baseline", "zero", "mean"]}},
        ["sweeps.main: mean added"],
    ),
    "known problems": (
        {"existing problems": None},
        {"existing problems": ["clean", DIGEST]},
        ["existing problems: added"],
    ),
    "another file of known problems": (
        {"existing problems": ["clean", DIGEST]},
        {"existing problems": ["clean", OTHER]},
        ["existing problems: content changed"],
    ),
    "shards": ({"shards": ["a", "b"]}, {"shards": ["b"]}, ["shards: 1 removed"]),
    "the origin of tables": (
        {"origin": {"decoding": {"seed": 0}}, "decoding": {"seed": 0}},
        {"origin": {"decoding": {"seed": 1}}, "decoding": {"seed": 1}},
        ["decoding.seed: 0 → 1"],
    ),
}


NAMES = {"1a": "a.py", "2b": "b.py"} | dict(zip("12345", "abcde", strict=True))


@pytest.mark.parametrize(("old", "new", "told"), CASES.values(), ids=CASES.keys())
def test_a_change_is_told(old, new, told):
    assert changes(old, new, code_names=NAMES) == told


@pytest.mark.parametrize(
    ("count", "told"), [(1, "1 of 4 rows changed"), (None, "not the same 4 rows as before")]
)
def test_edited_rows_are_counted_where_they_are_known(count, told):
    old, new = ({"problems": {"rows": 4, "content": digest}} for digest in (DIGEST, OTHER))
    known = {DIGEST: count}
    assert changes(old, new, known.get) == [f"problems: {told}"]


def test_jobs_of_equal_reasons_share_a_line():
    jobs = [
        Explained("generate", "tiny/0000", ("a: 1 → 2",)),
        Explained("generate", "tiny/0001", ("a: 1 → 2",)),
        Explained("grade", "tiny/0000", ("input is made again by generate",)),
        Explained("grade", "tiny/0001", ("a: 1 → 2", "input is made again by generate")),
        Explained("merge", "tiny", ("not made yet",)),
    ]
    assert grouped(jobs) == [
        "generate ×2: a: 1 → 2",
        "grade ×1 (tiny/0000): input is made again by generate",
        "grade ×1 (tiny/0001): a: 1 → 2; input is made again by generate",
        "merge: not made yet",
    ]
