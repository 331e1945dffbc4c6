"""Rows of MATH, MATH-500, DeepScaleR and AM-DeepSeek-R1-Distilled become problems."""

import gzip
import json
from collections import Counter

import pytest
from rows import read_source

from cotsieve.ground.faults import BadInput
from cotsieve.problems.candidates import read_exclusion

MATH = {"problem": "1 + 1?", "level": "Level 3", "type": "Algebra", "solution": r"So \boxed{2}."}
MATH500 = {**MATH, "answer": r"\frac{1}{2}", "subject": "Geometry", "level": 4, "unique_id": "a/1"}
USER = {"source": "natural_reasoning", "reference_answer": "-e^{-x} + C", "test_case": None}
SAID = {"think_content": "Hm.", "answer_content": "It is so.", "reference_answer": None}


def am(user: dict | None = USER, said: dict | None = SAID, roles=("user", "assistant")) -> dict:
    contents = ("Integrate!", "<think>Hm.</think>\n<answer>It is so.</answer>")
    messages = [
        {"role": role, "content": content, "info": info}
        for role, content, info in zip(roles, contents, (user, said), strict=True)
    ]
    return {"messages": messages}


def read(tmp_path, rows, kind, bad_rows="stop"):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    unanswered = {"unanswered": "bad"} if kind == "am" else {}
    return read_source("mine", {"format": kind, "bad_rows": bad_rows, **unanswered}, path)


@pytest.mark.parametrize(
    ("written", "level"),
    [("Level 5", 5), ("Level ?", None), (2, 2), ("3", 3), (None, None), (" Level  1 ", 1)],
)
def test_levels_of_math(tmp_path, written, level):
    (problem,) = read(tmp_path, [{**MATH, "level": written}], "math")
    assert (problem.level, problem.subject, problem.error) == (level, "Algebra", None)


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        (r"\boxed{3}, no, \boxed {17}", "17"),
        (r"\fbox{x \in \{1,2\}}", r"x \in \{1,2\}"),
        (r"$\boxed{\frac{\sqrt{3}}{3}}.$", r"\frac{\sqrt{3}}{3}"),
        (r"\boxed{4} and \boxed{5", "4"),
    ],
)
def test_the_answer_of_math_is_in_the_last_box(tmp_path, solution, answer):
    (problem,) = read(tmp_path, [{**MATH, "solution": solution, "answer": "other"}], "math")
    assert (problem.answer, problem.problem_id) == (answer, "mine_0")


def test_math500_has_its_own_answer_and_id(tmp_path):
    (problem,) = read(tmp_path, [MATH500], "math500")
    assert (problem.problem_id, problem.answer) == ("a/1", r"\frac{1}{2}")
    assert (problem.level, problem.subject) == (4, "Geometry")


def test_deepscaler_needs_no_solution(tmp_path):
    rows = [{"problem": "?", "answer": "2", "solution": "", "difficulty": 3.5}]
    rows += [{"problem": "?", "answer": 2.50}, {"problem": "?", "answer": "5", "solution": "= 5"}]
    problems = read(tmp_path, rows, "deepscaler")
    assert [problem.answer for problem in problems] == ["2", "2.5", "5"]
    assert [problem.solution for problem in problems] == [None, None, "= 5"]
    assert [problem.stratum for problem in problems] == ["unknown", "unknown", "2-step"]


def test_am_is_a_question_with_a_reference_answer(tmp_path):
    (problem,) = read(tmp_path, [am()], "am")
    assert (problem.question, problem.answer) == ("Integrate!", "-e^{-x} + C")
    assert (problem.solution, problem.problem_id) == ("It is so.", "mine_0")


BAD = [
    ("math", {**MATH, "solution": r"\boxed{ }"}, r"the last \boxed{...} is empty"),
    ("math", {**MATH, "solution": "2"}, r"missing \boxed{...}"),
    ("math", {**MATH, "level": "hard"}, "the level is 'hard'"),
    ("math", {**MATH, "level": True}, "the level is True"),
    ("math500", {**MATH500, "answer": " "}, "the answer is empty"),
    ("deepscaler", {**MATH, "answer": None}, "the answer is empty"),
    ("deepscaler", {**MATH, "answer": ["2"]}, "the answer is ['2'], not text"),
    ("am", am({**USER, "reference_answer": None}), "it has no reference_answer"),
    ("am", am(None), "it has no reference_answer"),
    (
        "am",
        am({"reference_answer": None, "test_case": {"test_code": "assert f()"}}),
        "it has a test_case instead of an answer; programs are not run",
    ),
    (
        "am",
        am({"reference_answer": None, "test_case": {"test_code": None}}),
        "it has no reference_answer",
    ),
    ("am", am({**USER, "reference_answer": ""}), "the answer is empty"),
]
GOOD = {"math": MATH, "math500": MATH500, "deepscaler": {**MATH, "answer": "2"}, "am": am()}


@pytest.mark.parametrize(("kind", "row", "what"), BAD)
def test_bad_rows_are_named_or_recorded(tmp_path, kind, row, what):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, [GOOD[kind], {**row, "unique_id": "b"}], kind)
    assert f"row 1 (line 2): {what}" in str(caught.value)
    _, problem = read(tmp_path, [GOOD[kind], {**row, "unique_id": "b"}], kind, "record")
    assert what in problem.error
    assert problem.question in ("1 + 1?", "Integrate!")
    assert problem.answer == ""


def test_am_without_two_messages_is_bad(tmp_path):
    for row in (am(roles=("user", "user")), {"messages": []}, {"messages": "?"}):
        with pytest.raises(BadInput, match="not a user's and an assistant's"):
            read(tmp_path, [row], "am")


def test_columns_that_are_missing_are_named(tmp_path):
    with pytest.raises(BadInput, match="no row has a column 'type'"):
        read(tmp_path, [{"problem": "?", "level": 1, "solution": ""}], "math")


@pytest.mark.parametrize(("kind", "question"), [("math", "1 + 1?"), ("am", "Integrate!")])
def test_their_questions_can_be_excluded(tmp_path, kind, question):
    (tmp_path / "rows.jsonl").write_text(json.dumps(GOOD[kind]), encoding="utf-8")
    assert read_exclusion(tmp_path / "rows.jsonl", {"format": kind}).values == (question,)


def published(path) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.parametrize(
    ("split", "levels", "without_answer", "edited"),
    [
        ("train", (564, 1348, 1592, 1690, 2304), [7115, 7117], ["train/algebra/24014.json"]),
        ("test", (437, 894, 1131, 1214, 1324), [], []),
    ],
)
def test_math_is_read_whole(shared, split, levels, without_answer, edited):
    path = shared / f"data/math/{split}.jsonl.gz"
    rows = published(path)
    problems = read_source("math", {"format": "math", "bad_rows": "record"}, path)
    assert [problem.problem_id for problem in problems] == [row["unique_id"] for row in rows]
    bad = [problem.problem_id for problem in problems if problem.error]
    assert bad == [f"train/number_theory/{number}.json" for number in without_answer]
    pairs = zip(problems, rows, strict=True)
    assert [row["unique_id"] for problem, row in pairs if problem.answer != row["answer"]] == edited
    counts = Counter(problem.level for problem in problems)
    assert tuple(counts[level] for level in range(1, 6)) == levels
    unknown = [problem.problem_id for problem in problems if problem.level is None]
    assert len(unknown) == (2 if split == "train" else 0)
    if bad:
        with pytest.raises(BadInput, match=r"row 5529 \(line 5530\).*empty"):
            read_source("math", {"format": "math"}, path)


def test_math500_is_part_of_math(shared):
    test = shared / "data/math/test.jsonl.gz"
    twins = {problem.problem_id: problem for problem in read_source("m", {"format": "math"}, test)}
    path = shared / "data/math/math500.jsonl.gz"
    problems = read_source("m", {"format": "math500"}, path)
    assert len(problems) == 500
    for problem in problems:
        twin = twins[problem.problem_id]
        assert (problem.question, problem.answer) == (twin.question, twin.answer)
        assert (problem.level, problem.subject) == (twin.level, twin.subject)


@pytest.mark.parametrize(
    ("name", "rows", "bad", "without_solution"),
    [("parts", 8449, 4, 7474), ("prompts", 3209, 1, 3209), ("easy_803", 803, 0, 0)],
)
def test_deepscaler_is_read_whole(shared, name, rows, bad, without_solution):
    path = shared / f"data/deepscaler/deepscaler_{name}.jsonl.gz"
    problems = read_source("d", {"format": "deepscaler", "bad_rows": "record"}, path)
    assert len(problems) == rows
    assert sum(problem.error is not None for problem in problems) == bad
    assert sum(problem.solution is None for problem in problems) == without_solution


def test_the_published_sample_of_am(shared):
    path = shared / "data/am_deepseek_r1/published_sample_row.jsonl"
    (problem,) = read_source("am", {"format": "am"}, path)
    assert problem.answer == r"-e^{-x} - \frac{1}{2}e^{-2x} + C"
