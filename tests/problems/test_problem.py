"""Steps, strata and the table of problems."""

import json
import random
import re

import pyarrow as pa
import pytest

from cotsieve.ground import tables
from cotsieve.problems.problem import (
    PROBLEMS,
    Problem,
    count_steps,
    difficulty,
    problems_from,
    problems_table,
)


def test_recorded_steps_and_strata(shared):
    logic = json.loads((shared / "golden/codi_llama_tiny/logic.json").read_text(encoding="utf-8"))
    for case in logic["difficulty"]:
        steps = count_steps(case["solution"])
        assert (steps, difficulty(steps)) == (case["steps"], case["difficulty"])


def test_strata_are_four():
    strata = [difficulty(steps) for steps in (0, 2, 3, 4, 5, 30)]
    assert strata == ["2-step", "2-step", "3-step", "4-step", "5+step", "5+step"]


def test_blocks_are_counted_as_the_published_pattern_finds_them():
    chooser = random.Random(3)
    for _ in range(20_000):
        text = "".join(chooser.choices("<<>>a=1", k=chooser.randint(0, 14)))
        blocks = len(re.findall(r"<<[^>]+>>", text))
        assert count_steps(text) == (blocks or len(re.findall(r"=\s*\d+", text))), text


@pytest.mark.parametrize("piece", ["<<", ">", "= ", "<<a>", "=" + " " * 9])
def test_steps_of_a_million_characters_are_quick(piece):
    assert count_steps(piece * (10**6 // len(piece))) == 0


def test_problems_survive_a_table(tmp_path):
    problems = [
        Problem("b_0", "b", 0, " Two  blanks \r\n", None, "-5", 0, "unknown"),
        Problem("a_7", "a", 7, "½ + Ł 🦆?", "<<1+1=2>>\n#### 2", "2", 1, "2-step"),
        Problem("a_8", "a", 8, "", None, "", 0, "unknown", "missing ####. Add it."),
    ]
    tables.write(problems_table(problems), tmp_path / "problems.parquet", PROBLEMS)
    assert problems_from(tables.read(tmp_path / "problems.parquet", PROBLEMS)) == problems
    assert problems_from(pa.Table.from_pylist([], schema=PROBLEMS)) == []
