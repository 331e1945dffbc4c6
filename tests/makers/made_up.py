"""Made-up results of any size: a latent model with a grid, and a model that reasons in words."""

import html
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from cotsieve.findings.merge import MERGED
from cotsieve.findings.necessity.judging import necessity
from cotsieve.problems.problem import PROBLEMS
from cotsieve.report.facts.grader_check import DISAGREEMENTS
from cotsieve.report.facts.inputs import ModelTables, StudyTables

STRATA = ("2-step", "3-step", "4-step", "5+step")
SUBJECTS = ("Algebra", "Geometry", "Number Theory")
TAME = {"zero": {"operation": "zero", "layer": "middle"}}
GRID = {
    f"{operation}-{layer}-{name}": {"operation": operation, "layer": layer} | chosen
    for operation in ("zero", "mean")
    for layer in ("early", "late")
    for name, chosen in (
        ("first1", {"thoughts": {"first": 1}}),
        ("first2", {"thoughts": {"first": 2}}),
        ("all", {}),
    )
}
WORDS = {
    "empty": {"reasoning": "empty"},
    "finished": {"reasoning": "finished", "answer": "forced"},
    "half": {"reasoning": "truncate", "fraction": 0.5},
    "quarter": {"reasoning": "truncate", "fraction": 0.25},
    "half-forced": {"reasoning": "truncate", "fraction": 0.5, "answer": "forced"},
}
QUESTION = (
    "A box holds $\\frac{{{a}}}{{{b}}}$ of {c} apples for \\$5 each. If $x^2 = {a}$ and $x < {b}$, "
    "what is $\\sqrt{{x}}$? It costs $5 and $6 to ask."
)

SOLUTION = "So {a}+{b}=<<{a}+{b}={c}>>{c}.\n\\[x = \\boxed{{{c}}}\\]"


def study(problems: int = 40, seed: int = 1, reasoning: bool = True, **changes: Any) -> StudyTables:
    """A study of made-up problems, answers and verdicts; the same for the same arguments."""
    dice = random.Random(seed)
    table = pa.Table.from_pylist([_problem(i, dice) for i in range(problems)], schema=PROBLEMS)
    models = [latent(table, dice)]
    models += [in_words(table, dice)] if reasoning else []
    return StudyTables("made-up", table, models, **changes)


def judged_anew(tables: StudyTables, verdict: Callable[[dict], str]) -> StudyTables:
    """The same answers with other verdicts: `verdict` of a merged row; nothing is drawn."""
    models = []
    for model in tables.models:
        told = model.merged.drop_columns(["token_ids", "text"]).to_pylist()
        place = MERGED.get_field_index("verdict")
        merged = model.merged.set_column(place, MERGED.field(place), [list(map(verdict, told))])
        rows = necessity(merged, tables.problems, model.sweep, model.condition)
        models.append(replace(model, merged=merged, necessity=rows, drawn=[]))
    return replace(tables, models=models)


def words(page: str) -> str:
    """What a page says, without markup."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"[ \n]+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def latent(problems: pa.Table, dice: random.Random, conditions: Mapping = GRID) -> ModelTables:
    """A latent model under a grid of conditions; the last one decides."""
    names = list(conditions)
    merged = _merged(problems, "grid", names, dice)
    return _model("tiny", problems, merged, "grid", names[-1], conditions, thoughts=3)


def in_words(problems: pa.Table, dice: random.Random) -> ModelTables:
    """A model that reasons in words, with two samples, and graders that differ on some answers."""
    merged = _merged(problems, "words", list(WORDS), dice, samples=2, words=True)
    ids = problems["problem_id"].to_pylist()[:3]
    differ = [
        {"condition": "baseline", "problem_id": key, "sample": 0, "answer": "1", "grader": grader,
         "verdict": verdict, "prediction": "\\frac{1}{1}"}
        for key in ids
        for grader, verdict in (("math", "correct"), ("r2a", "incorrect"))
    ]  # fmt: skip
    return _model(
        "writer",
        problems,
        merged,
        "words",
        "empty",
        WORDS,
        family="reasoning",
        disagreements=pa.Table.from_pylist(differ, schema=DISAGREEMENTS),
        compared=2 * problems.num_rows,
    )


def _model(
    name: str,
    problems: pa.Table,
    merged: pa.Table,
    sweep: str,
    condition: str,
    conditions: Mapping[str, Any],
    **more: Any,
) -> ModelTables:
    rows = necessity(merged, problems, sweep, condition)
    needed = [row for row in rows if row["needs_cot"]]
    drawn = [row | {"is_existing": False} for row in needed[: max(len(needed) // 2, 1)]]
    return ModelTables(
        name,
        merged,
        rows,
        drawn,
        sweep,
        condition,
        {sweep: {"baseline": None, **conditions}},
        targets={stratum: 5 for stratum in STRATA},
        provenance={"model": {"checkpoint": {"model.safetensors": "0" * 64}}},
        **more,
    )


def _problem(index: int, dice: random.Random) -> dict[str, Any]:
    numbers = {name: dice.randint(2, 99) for name in "abc"}
    return {
        "problem_id": f"toy_{index}",
        "source": "toy" if index % 3 else "other",
        "row": index,
        "question": QUESTION.format(**numbers),
        "solution": None if index % 7 == 6 else SOLUTION.format(**numbers),
        "answer": "\\frac{1}{2}" if index % 5 == 0 else str(numbers["c"]),
        "steps": 2 + index % 4,
        "stratum": STRATA[index % 4],
        "error": None,
        "level": 1 + index % 5,
        "subject": SUBJECTS[index % 3],
    }


def _merged(
    problems: pa.Table,
    sweep: str,
    conditions: Sequence[str],
    dice: random.Random,
    samples: int = 1,
    words: bool = False,
) -> pa.Table:
    rows = []
    for problem in problems.to_pylist():
        about = {name: problem[name] for name in ("problem_id", "source", "row", "stratum")}
        about |= {"sweep": sweep, "steps": problem["steps"], "answer": problem["answer"]}
        for place, condition in enumerate(["baseline", *conditions]):
            for sample in range(samples):
                rows.append(about | _rollout(problem, condition, place, sample, dice, words))
    return pa.Table.from_pylist(rows, schema=MERGED)


def _rollout(
    problem: Mapping[str, Any],
    condition: str,
    place: int,
    sample: int,
    dice: random.Random,
    words: bool,
) -> dict[str, Any]:
    luck = dice.random()
    right = luck < (0.8 if condition == "baseline" else 0.6 / place)
    verdict = "correct" if right else "no_answer" if luck > 0.97 else "incorrect"
    guess = problem["answer"] if right else str(dice.randint(1, 99))
    text = f"The answer is: {guess}"
    if words:
        text = f"Let me see. $2 + 2 = 4$. So it is {guess}.</think>It is \\boxed{{{guess}}}."
    if luck > 0.99:
        verdict, text, guess = "failed", None, None
    return {
        "condition": condition,
        "sample": sample,
        "token_ids": None if text is None else list(range(len(text) // 4)),
        "text": text,
        "answer_text": None if text is None else text.rpartition("</think>")[2],
        "thought_tokens": None if text is None or not words else 40 * (condition == "baseline"),
        "answer_tokens": None if text is None else 7,
        "finish_reason": "failed" if text is None else "length" if luck > 0.95 else "stop",
        "error": "the prompt is too long <b>" if text is None else None,
        "prediction": None if verdict == "no_answer" else guess,
        "verdict": verdict,
    }
