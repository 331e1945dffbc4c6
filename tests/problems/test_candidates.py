"""The candidates of a study: order, exclusions and limit."""

import pytest
from rows import pool_of

from cotsieve.ground.faults import BadInput
from cotsieve.problems.candidates import Exclusion, Match, Pool, read_exclusion, select
from cotsieve.problems.catalogue import open_catalogue
from cotsieve.problems.problem import Problem


def _problems(source: str, *questions: str) -> Pool:
    return pool_of(
        source,
        [
            Problem(f"{source}_{row}", source, row, question, None, "1", 0, "unknown")
            for row, question in enumerate(questions)
        ],
    )


def _opened(*source) -> Pool:
    found = open_catalogue(*source)
    return Pool(found, found.places)


def _ids(selection) -> list[str]:
    return [problem.problem_id for problem in selection.problems()]


def test_sources_stay_in_order_and_exclusions_are_accounted_for():
    sources = [_problems("b", " one ", "two", "three"), _problems("a", "four", "one")]
    by_question = Exclusion("seen.txt", "question", ("one", "none", "one", "never"))
    by_id = Exclusion("ids.txt", "id", ("b_1", "c_9"))
    selection = select(sources, [by_question, by_id], None)
    assert _ids(selection) == ["b_2", "a_0"]
    assert selection.matches == [
        Match("seen.txt", "question", 4, 3, 2, ("none", "never")),
        Match("ids.txt", "id", 2, 2, 1, ("c_9",)),
    ]


def test_limit_cuts_the_problems_but_not_the_account():
    sources = [_problems("a", "one", "two", "three")]
    selection = select(sources, [Exclusion("x", "question", ("three",))], 1)
    assert _ids(selection) == ["a_0"]
    assert selection.matches[0].rows_matched == 1
    with pytest.raises(BadInput, match="Give at least 1"):
        select(sources, [], 0)


def test_repeated_questions_are_counted_and_kept():
    selection = select([_problems("a", "one", "one "), _problems("b", "one")], [], None)
    assert len(_ids(selection)) == 3
    assert selection.repeated_questions == 2


def test_ids_shared_by_sources_are_refused():
    with pytest.raises(
        BadInput, match=r"source 'a' row 0: its id 'a_0' is also .* Rename a source"
    ):
        select([_problems("a", "one"), _problems("a", "two")], [], None)


@pytest.mark.parametrize(
    ("name", "content", "definition", "values"),
    [
        ("x.txt", " one\r\n\n two \n", {"format": "text"}, ("one", "two")),
        ("x.txt", "a_1\na_2\n", {"format": "text", "by": "id"}, ("a_1", "a_2")),
        ("x.jsonl", '{"question": " q "}', {"format": "gsm8k"}, ("q",)),
        ("x.json", '[{"k": 5}]', {"format": "gsm8k", "by": "id", "field": "k"}, ("5",)),
        ("x.json", '[{"t": "q"}]', {"format": "columns", "columns": {"question": "t"}}, ("q",)),
        (
            "x.json",
            '[{"variant": "clean", "question": "q"}, {"variant": "corrupted", "question": "p"}]',
            {"format": "cot_all", "variant": "corrupted"},
            ("p",),
        ),
    ],
)
def test_exclusion_forms(tmp_path, name, content, definition, values):
    (tmp_path / name).write_bytes(content.encode())
    exclusion = read_exclusion(tmp_path / name, definition)
    assert exclusion == Exclusion(name, definition.get("by", "question"), values)


def test_candidates_of_the_published_study(shared):
    sources = [
        _opened(split, {"format": "gsm8k"}, shared / f"data/gsm8k/{split}.jsonl.gz")
        for split in ("test", "train")
    ]
    pairs = shared / "data/cot_expansion/problem_pairs_gpt4_answers.json.gz"
    exclusion = read_exclusion(pairs, {"format": "pairs"})
    everything = select(sources, [exclusion], None)
    assert len(_ids(everything)) == 8292
    assert everything.matches == [Match(pairs.name, "question", 532, 500, 500, ())]
    assert everything.repeated_questions == 0
    first = select(sources, [exclusion], 7500)
    assert [len(pool.places) for pool in first.pools] == [819, 6681]
    assert (_ids(first)[0], _ids(first)[819], _ids(first)[-1]) == (
        "test_1",
        "train_0",
        "train_6680",
    )
    assert first.matches == everything.matches


def test_first_candidates_are_those_of_the_published_checkpoint(shared):
    folder = shared / "data/cot_expansion"
    source = _opened("test", {"format": "gsm8k"}, shared / "data/gsm8k/test.jsonl.gz")
    definition = {"format": "pairs"}
    exclusion = read_exclusion(folder / "problem_pairs_gpt4_answers.json.gz", definition)
    ten = "1 29 39 40 66 71 86 91 94 102"
    assert _ids(select([source], [exclusion], 10)) == [f"test_{row}" for row in ten.split()]
