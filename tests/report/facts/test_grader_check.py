import pyarrow as pa

from cotsieve.findings.merge import MERGED
from cotsieve.report.facts.grader_check import DISAGREEMENTS, compare_graders, fitting


def merged(*answers: tuple[str, str | None, str]) -> pa.Table:
    rows = [
        {"sweep": "main", "condition": condition, "problem_id": f"p{index}", "sample": 0,
         "answer": answer, "answer_text": text, "verdict": "correct"}
        for index, (condition, text, answer) in enumerate(answers)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=MERGED)


def test_answers_on_which_graders_differ_are_told_by_every_grader():
    table = merged(
        ("baseline", "The answer is: 12", "12"),
        ("zero", "The answer is: 1,234.", "1234"),
        ("mean", "It is 5 of 6", "5"),  # neither baseline nor the ablation that decides
        ("zero", None, "1"),
    )
    found = compare_graders(table, "main", "zero", "codi", 0.01)
    assert found.answers == 2
    told = [(row["problem_id"], row["grader"], row["verdict"]) for row in found.rows]
    assert told == [
        ("p1", "numbers", "correct"),
        ("p1", "original", "incorrect"),
        ("p1", "codi", "correct"),
    ]
    pa.Table.from_pylist(found.rows, schema=DISAGREEMENTS).validate(full=True)


def test_a_missing_closing_tag_is_not_what_graders_differ_on():
    table = merged(("baseline", "It is \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"))
    found = compare_graders(table, "main", "zero", "reasoning", 0.01)
    assert (found.graders, found.rows) == (["math", "r2a"], [])


def test_graders_of_numbers_need_numbers():
    assert fitting("codi", ["1"]) == ["numbers", "original", "codi"]
    assert fitting("reasoning", ["1", "3.5"]) == ["math", "r2a", "numbers"]
    assert fitting("reasoning", ["1", "\\pi"]) == fitting("codi", ["\\pi"]) == ["math", "r2a"]
