"""The checkpoint file of the published expansion script (GusSand/CoT_Exploration), in and out.

It is one object: `timestamp`, `problems_tested`, `needs_cot_count` and `results`, a row per problem
that was tested, with its question, two predictions and the flags drawn from them. A row whose
`success` is false holds an `error` instead of predictions; the script never tries it again.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cotsieve.findings.published import Number, json_rows, tested_row
from cotsieve.ground.faults import BadInput, Finding, bad
from cotsieve.ground.files import write_text
from cotsieve.ground.seeds import digest
from cotsieve.problems.files.records import refuse
from cotsieve.problems.files.segments import read_text
from cotsieve.problems.problem import Problem

_FILE_MEND = "Use the checkpoint file that expand_gsm8k_cot_dataset.py wrote."
_TEXTS = ("gsm8k_id", "question", "full_solution", "source")
_FLAGS = ("baseline_correct", "ablated_correct", "needs_cot")
_PREDICTIONS = ("baseline_prediction", "ablated_prediction")


def import_checkpoint(path: str | Path) -> dict[str, dict]:
    """Problem id → its row, in file order; numbers are the text that stands in the file.

    Every row has the keys gsm8k_id, question, answer, full_solution, source, success, needs_cot,
    and baseline_prediction, ablated_prediction, baseline_correct, ablated_correct, error, which
    are None where they do not apply. Raises BadInput with all findings: wrong types, repeated
    ids, flags and counts that contradict each other.
    """
    content = _object(Path(path))
    rows = content.get("results")
    if not isinstance(rows, list) or not rows:
        raise bad(f"{path}, results", "it is not a list of tested problems", _FILE_MEND)
    findings = [
        Finding(_place(path, index, row), *note)
        for index, row in enumerate(rows)
        for note in _row_notes(row)
    ]
    refuse(findings)
    refuse(_count_findings(path, content, rows))
    return {row["gsm8k_id"]: _filled(row) for row in rows}


def rollouts_from_checkpoint(
    path: str | Path, problems: Sequence[Problem], baseline: str, ablation: str
) -> list[dict]:
    """Rows of ROLLOUTS for `problems`, two per problem, as if they had been run here.

    `baseline` and `ablation` name the conditions. Texts and tokens were never stored, so only the
    predictions come in ("imported"). A problem that failed there, or has an error of its own,
    fails. Rows of other problems are left out. Raises BadInput when a problem is missing, or its
    question differs.
    """
    tested = import_checkpoint(path)
    usable = [problem for problem in problems if not problem.error]
    missing = [problem.problem_id for problem in usable if problem.problem_id not in tested]
    if missing:
        what = f"{len(missing)} of {len(problems)} problems are missing: {', '.join(missing[:5])}"
        mend = "Import a checkpoint that tested them all, or lower the number of problems."
        raise bad(path, what + (", ..." if len(missing) > 5 else ""), mend)
    refuse(_question_findings(path, usable, tested))
    sides = ((baseline, "baseline_prediction"), (ablation, "ablated_prediction"))
    return [
        _rollout(problem, condition, tested.get(problem.problem_id, {}), side)
        for problem in problems
        for condition, side in sides
    ]


def export_checkpoint(
    rows: Iterable[Mapping],
    path: str | Path,
    timestamp: str,
    reasons: Mapping[str, str] | None = None,
) -> None:
    """Write NECESSITY rows as a checkpoint that the published script can resume or stratify.

    `timestamp` is written as it is; `reasons` maps the ids of failed problems to their errors.
    """
    reasons = reasons or {}
    unknown = "the rollout failed"
    results = [tested_row(row, reasons.get(row["problem_id"], unknown)) for row in rows]
    needed = sum(bool(row["needs_cot"]) for row in results)
    text = (
        "{\n"
        f'  "timestamp": {json.dumps(timestamp)},\n'
        f'  "problems_tested": {len(results)},\n'
        f'  "needs_cot_count": {needed},\n'
        f'  "results": {json_rows(results, indent=2)}\n'
        "}"
    )
    write_text(path, text)


def _object(path: Path) -> dict:
    repeated: list[str] = []

    def no_constant(word: str) -> None:
        raise ValueError(f"{word} is not a JSON number")

    def unique(pairs: list[tuple[str, object]]) -> dict:
        keys = Counter(key for key, _ in pairs)
        repeated.extend(key for key, times in keys.items() if times > 1)
        return dict(pairs)

    try:
        content = json.loads(
            read_text(path),
            parse_int=Number,
            parse_float=Number,
            parse_constant=no_constant,
            object_pairs_hook=unique,
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise bad(path, f"it is not valid JSON ({error})", _FILE_MEND) from None
    if repeated:
        raise bad(path, f"repeated keys: {', '.join(dict.fromkeys(repeated))}", _FILE_MEND)
    if not isinstance(content, dict):
        raise bad(path, "it is not an object", _FILE_MEND)
    return content


def _row_notes(row: object) -> Iterator[tuple[str, str]]:
    """What is wrong with a row, and how to mend it."""
    if not isinstance(row, dict):
        yield "it is not an object", _FILE_MEND
        return
    for key in _TEXTS:
        if not _is_text(row.get(key)):
            yield f"{key} is {_shown(row.get(key))}", "It must be text."
    if not isinstance(row.get("answer"), Number):
        yield f"answer is {_shown(row.get('answer'))}", "It must be a number."
    if row.get("success") is True:
        yield from _outcome_notes(row)
    elif row.get("success") is False:
        if not _is_text(row.get("error")):
            yield f"error is {_shown(row.get('error'))}", "A failed row must tell its error."
        if row.get("needs_cot") is not False:
            yield "a failed row needs its chain of thought", "Its needs_cot must be false."
    else:
        yield f"success is {_shown(row.get('success'))}", "It must be true or false."


def _outcome_notes(row: dict) -> Iterator[tuple[str, str]]:
    for key in _PREDICTIONS:
        value = row.get(key, "")
        if value is not None and not isinstance(value, Number):
            found = _shown(value) if key in row else "missing"
            yield f"{key} is {found}", "It must be a number, or null for no answer."
    flags = [row.get(key) for key in _FLAGS]
    for key, value in zip(_FLAGS, flags, strict=True):
        if not isinstance(value, bool):
            yield f"{key} is {_shown(value)}", "It must be true or false."
    baseline, ablated, needed = flags
    if all(isinstance(flag, bool) for flag in flags) and needed != (baseline and not ablated):
        what = f"needs_cot is {_shown(needed)} against its own two flags"
        yield what, "It must be baseline_correct and not ablated_correct."


def _count_findings(path: str | Path, content: dict, rows: list[dict]) -> Iterator[Finding]:
    for gsm8k_id, times in Counter(row["gsm8k_id"] for row in rows).items():
        if times > 1:
            what = f"gsm8k_id {gsm8k_id} comes {times} times"
            yield Finding(f"{path}, results", what, "Keep one of the rows.")
    needed = sum(row["needs_cot"] for row in rows)
    for key, count in (("problems_tested", len(rows)), ("needs_cot_count", needed)):
        if content.get(key) != str(count):
            what = f"it is {_shown(content.get(key))}, but the rows make {count}"
            yield Finding(f"{path}, {key}", what, "The file was cut or edited; fetch it again.")


def _question_findings(
    path: str | Path, problems: Sequence[Problem], tested: Mapping[str, dict]
) -> Iterator[Finding]:
    mend = "Import a checkpoint that was made from the same data."
    index = {gsm8k_id: position for position, gsm8k_id in enumerate(tested)}
    for problem in problems:
        row = tested[problem.problem_id]
        if row["question"].strip() != problem.question.strip():
            what = f"its question is {_shown(row['question'])}, not {_shown(problem.question)}"
            yield Finding(_place(path, index[problem.problem_id], row), what, mend)


def _rollout(problem: Problem, condition: str, row: Mapping, side: str) -> dict:
    done = not problem.error and row["success"]
    error = None if done else problem.error or row["error"] or "the checkpoint tells no reason"
    prediction = row[side] if done else None
    key = [problem.problem_id, problem.question, condition, prediction, error]
    return {
        "problem_id": problem.problem_id,
        "condition": condition,
        "sample": 0,
        "token_ids": None,
        "text": None,
        "answer_text": None,
        "finish_reason": "imported" if done else "failed",
        "error": error,
        "prompt_tokens": None,
        "thought_tokens": None,
        "answer_tokens": None,
        "margin": None,
        "imported_prediction": prediction,
        "row_key": digest("imported", *key),
    }


def _filled(row: dict) -> dict:
    about = {key: row[key] for key in (*_TEXTS, "answer", "success", "needs_cot")}
    about["answer"] = str(row["answer"])
    outcome = {key: row.get(key) for key in ("baseline_correct", "ablated_correct", "error")}
    texts = {key: row.get(key) for key in _PREDICTIONS}
    numbers = {key: None if value is None else str(value) for key, value in texts.items()}
    return {**about, **outcome, **numbers}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, Number)


def _place(path: str | Path, index: int, row: object) -> str:
    name = row.get("gsm8k_id") if isinstance(row, dict) else None
    return f"{path}, results row {index}" + (f" ({name})" if _is_text(name) else "")


def _shown(value: object) -> str:
    text = str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:59] + "…"
