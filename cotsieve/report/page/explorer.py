"""Every problem and every answer, packed for the page: columns of numbers into one list of texts.

Equal texts are stored once. Texts too long for a page are shortened in their middle; how long they
may be follows from the amount of text alone, so equal results give equal pages.
"""

import functools
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cotsieve.findings.necessity.judging import outcome
from cotsieve.interventions.changed import kind_of, seed_of
from cotsieve.report.facts.given_text import GivenTexts
from cotsieve.report.facts.inputs import ModelTables, StudyTables
from cotsieve.report.facts.wording import described
from cotsieve.report.page.latex import DELIMITED, LONGEST, formulas
from cotsieve.rollouts.schema import BASELINE

LETTERS = {"correct": "c", "incorrect": "i", "no_answer": "n", "failed": "f"}
_VERDICTS = {letter: verdict for verdict, letter in LETTERS.items()}
ABSENT = "-"
_ENDS = {"stop": "s", "length": "l", "failed": "f", "imported": "i"}
GIVEN_BUDGET = 20_000_000
"""The same for texts that were given to be read."""
BUDGET = 40_000_000
"""Characters of distinct text on a page; compressed it is a fifth or less."""
_CAPS = (20_000, 8_000, 4_000, 2_000, 1_000, 500, 250)


class _Texts:
    """Distinct texts in order of appearance."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def place(self, text: str | None) -> int:
        if text is None:
            return -1
        return self.known.setdefault(text, len(self.known))

    def places(self, texts: Iterable[str | None]) -> list[int]:
        return [self.place(text) for text in texts]


def packed(tables: StudyTables, budget: int = BUDGET) -> dict[str, Any]:
    """The data of the explorer; see `explorer.js` for how it is read."""
    texts, givens = _Texts(), _Texts()
    problems = tables.problems
    ids = problems["problem_id"]
    data = {
        "study": tables.study,
        "problems": {
            "id": ids.to_pylist(),
            "row": problems["row"].to_pylist(),
            "steps": problems["steps"].to_pylist(),
            "level": problems["level"].to_pylist(),
            "answer": problems["answer"].to_pylist(),
            "source": _coded(problems["source"]),
            "stratum": _coded(problems["stratum"]),
            "subject": _coded(problems["subject"]),
            "question": texts.places(problems["question"].to_pylist()),
            "solution": texts.places(problems["solution"].to_pylist()),
        },
        "models": [_model(model, tables, texts, givens) for model in tables.models],
    }
    cap = _cap(texts.known, budget)
    shown = [shortened(text, cap) for text in texts.known]
    longest = max(map(len, texts.known), default=0)
    given_cap = _cap(givens.known, GIVEN_BUDGET)
    return data | {
        "texts": shown,
        "givens": [shortened(text, given_cap) for text in givens.known],
        "cap": cap if longest > cap else None,
        "math": formulas([*shown, *_answers(tables)]),
        "delimiters": DELIMITED,
    }


def shortened(text: str, cap: int) -> str:
    """A text of at most about `cap` characters: its first two thirds and its end."""
    if len(text) <= cap:
        return text
    end = cap // 3
    left_out = len(text) - cap
    return f"{text[: cap - end]}\n\n[… {left_out:,} characters …]\n\n{text[-end:]}"


def _cap(texts: Iterable[str], budget: int) -> int:
    sizes = [len(text) for text in texts]
    for cap in _CAPS:
        if sum(min(size, cap) for size in sizes) <= budget:
            return cap
    return _CAPS[-1]


def _answers(tables: StudyTables) -> Iterable[str]:
    """Reference answers and predictions in LaTeX come without delimiters."""
    for text in tables.problems["answer"].unique().to_pylist():
        if _is_formula(text):
            yield f"${text}$"
    for model in tables.models:
        for text in model.merged["prediction"].unique().to_pylist():
            if _is_formula(text):
                yield f"${text}$"


def _is_formula(text: str | None) -> bool:
    return bool(text) and "\\" in text and len(text) <= LONGEST


def _coded(column: pa.ChunkedArray) -> dict[str, Any]:
    names = sorted(column.drop_null().unique().to_pylist())
    place = {name: index for index, name in enumerate(names)}
    return {"names": names, "of": [place.get(name, -1) for name in column.to_pylist()]}


def _model(
    model: ModelTables, tables: StudyTables, texts: _Texts, givens: _Texts
) -> dict[str, Any]:
    ids = tables.problems["problem_id"]
    needs = {row["problem_id"]: row["needs_cot"] for row in model.necessity}
    drawn = {row["problem_id"] for row in model.drawn if not row["is_existing"]}
    marks = {True: "1", False: "0", None: ABSENT}
    data: dict[str, Any] = {
        "name": model.model,
        "sweep": model.sweep,
        "condition": model.condition,
        "given": model.given,
        "needs": "".join(marks[needs.get(key)] for key in ids.to_pylist()),
        "drawn": "".join("1" if key in drawn else "0" for key in ids.to_pylist()),
        "columns": [
            _column(model, sweep, condition, rows, ids, texts)
            | _given_words(model, tables, sweep, condition, rows)
            for sweep, condition, rows in _pieces(model)
        ],
    }
    if model.family == "reasoning":
        _add_given(data["columns"], model, tables.problems, givens)
    return data


def _given_words(
    model: ModelTables, tables: StudyTables, sweep: str, condition: str, rows: pa.Table
) -> dict[str, Any]:
    """What was given beside the texts: the start of a forced answer, seed, whose mean it was."""
    definition = model.definition(sweep, condition) or {}
    found: dict[str, Any] = {"seed": seed_of(definition)}
    if definition.get("answer") == "forced":
        made = rows.filter(pc.is_valid(pc.field("text"))).slice(0, 1).to_pylist()
        found["prefix"] = made[0]["answer_text"].removesuffix(made[0]["text"]) if made else None
    reference = tables.settings.get("reference", {}).get(sweep)
    if reference and kind_of(definition) == "mean":
        found["mean"] = f"{reference['problems']} problems of {reference['source']}"
    return found


def _add_given(
    columns: list[dict[str, Any]], model: ModelTables, problems: pa.Table, givens: _Texts
) -> None:
    """Add to every sample of every column the places of the reasoning that was read."""
    ids, by_sweep = problems["problem_id"].to_pylist(), {}
    for column in columns:
        if column["sweep"] not in by_sweep:
            by_sweep[column["sweep"]] = GivenTexts(model, problems, column["sweep"])
        found = by_sweep[column["sweep"]].under(column["condition"])
        for number, sample in enumerate(column["samples"]):
            sample["given"] = givens.places(found.get((key, number)) for key in ids)


def _pieces(model: ModelTables) -> Iterable[tuple[str, str, pa.Table]]:
    """The baseline of the deciding sweep, the ablation that decides, then the others in order.

    The baselines of other sweeps are the same rollouts and are left out.
    """
    table = model.merged.append_column(
        "tokens", pc.list_value_length(model.merged["token_ids"])
    ).drop_columns(["token_ids"])
    first = [(model.sweep, BASELINE), (model.sweep, model.condition)]
    others = [
        (sweep, condition)
        for sweep, conditions in model.conditions.items()
        for condition in conditions
        if condition != BASELINE and (sweep, condition) not in first
    ]
    by_sweep = {
        sweep: table.filter(pc.field("sweep") == sweep) for sweep in {name for name, _ in first}
    }
    for sweep, condition in [*first, *others]:
        if sweep not in by_sweep:
            by_sweep[sweep] = table.filter(pc.field("sweep") == sweep)
        yield sweep, condition, by_sweep[sweep].filter(pc.field("condition") == condition)


def _column(
    model: ModelTables,
    sweep: str,
    condition: str,
    rows: pa.Table,
    ids: pa.ChunkedArray,
    texts: _Texts,
) -> dict[str, Any]:
    samples = 1 + (pc.max(rows["sample"]).as_py() or 0) if rows.num_rows else 1
    column = {
        "sweep": sweep,
        "condition": condition,
        "words": described(model.definition(sweep, condition)),
    }
    parts = []
    for sample in range(samples):
        chosen = rows.filter(pc.field("sample") == sample)
        order = pc.index_in(ids, value_set=chosen["problem_id"].combine_chunks())
        aligned = chosen.take(order.combine_chunks())
        failed = aligned["error"].to_pylist()
        parts.append(
            {
                "verdicts": _letters(aligned["verdict"], LETTERS),
                "ends": _letters(aligned["finish_reason"], _ENDS),
                "tokens": [-1 if n is None else n for n in aligned["tokens"].to_pylist()],
                "predictions": texts.places(aligned["prediction"].to_pylist()),
                "texts": texts.places(aligned["text"].to_pylist()),
                "donors": _donors(aligned["donor"], ids),
                "followed": "".join(_FOLLOWED[known] for known in aligned["followed"].to_pylist()),
                "errors": {
                    str(index): texts.place(error)
                    for index, error in enumerate(failed)
                    if error is not None
                },
            }
        )
    return column | {"verdicts": _overall(parts), "samples": parts}


_FOLLOWED = {True: "1", False: "0", None: ABSENT}


def _donors(column: pa.ChunkedArray, ids: pa.ChunkedArray) -> list[int] | None:
    """Places of the problems that something was taken from; None where nothing was."""
    if column.null_count == len(column):
        return None
    places = pc.index_in(column, value_set=ids.combine_chunks()).to_pylist()
    return [-1 if place is None else place for place in places]


def _overall(samples: list[dict[str, Any]]) -> str:
    """One letter per problem for what its samples under a condition come to."""
    if len(samples) == 1:
        return samples[0]["verdicts"]
    return "".join(map(_come_to, zip(*(sample["verdicts"] for sample in samples), strict=True)))


@functools.cache
def _come_to(letters: tuple[str, ...]) -> str:
    told = [(None, _VERDICTS[letter]) for letter in letters if letter != ABSENT]
    return LETTERS[outcome(told).verdict] if told else ABSENT


def _letters(column: pa.ChunkedArray, letters: dict[str, str]) -> str:
    return "".join(letters.get(value, ABSENT) for value in column.to_pylist())
