"""One problem and what every model made of it, as text and as the cell of a notebook."""

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import indent
from typing import Any, NamedTuple

WIDTH = 60
"""Characters of an answer that a line shows."""
SIGNS = {"correct": "✓", "incorrect": "✗", "no_answer": "–", "failed": "!"}


class ProblemCard(NamedTuple):
    """A row of problems.parquet, the rollouts of each model, and whether it needs its reasoning."""

    about: Mapping[str, Any]
    rollouts: Mapping[str, Sequence[Mapping[str, Any]]]
    needs: Mapping[str, bool | None]

    @property
    def question(self) -> str:
        return self.about["question"]

    def lines(self, model: str = "") -> list[str]:
        """The problem, and a line per rollout."""
        about = self.about
        facts = [about["problem_id"], about["stratum"]]
        facts += [f"reference answer {about['answer']}"] if about["answer"] is not None else []
        found = [" · ".join(map(str, facts)), "", indent(about["question"] or "", "  ")]
        found += [f"  {about['error']}"] if about.get("error") else []
        for name, rows in self.rollouts.items():
            if not model or name == model:
                found += ["", f"{name}{_need(self.needs[name])}", *_table(rows)]
        return found

    def _repr_html_(self) -> str:
        about = self.about
        parts = [
            f"<p><b>{escape(str(about['problem_id']))}</b> · {escape(str(about['stratum']))} · "
            f"reference answer {escape(str(about['answer']))}</p>",
            f"<p style='white-space:pre-wrap'>{escape(about['question'] or '')}</p>",
        ]
        for name, rows in self.rollouts.items():
            body = "".join(
                "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(row)) + "</tr>"
                for row in rows
            )
            title = f"{name}{_need(self.needs[name])}"
            parts.append(f"<p><b>{escape(title)}</b></p><table>{body}</table>")
        return "".join(parts)


def _need(needs: bool | None) -> str:
    if needs is None:
        return ""
    return ": needs its chain of thought" if needs else ": does not need its chain of thought"


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    cells = [_cells(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in map(list, cells)]


def _cells(row: Mapping[str, Any]) -> list[str]:
    """Verdict, condition, answer and why there is none, on one line."""
    sample = f" #{row['sample']}" if row["sample"] else ""
    answer = row["prediction"] if row["prediction"] is not None else row["error"] or "no answer"
    told = " ".join(str(answer).split())
    told = told if len(told) <= WIDTH else told[: WIDTH - 1] + "…"
    sign = SIGNS.get(row["verdict"], "?")
    return [sign, f"{row['sweep']}/{row['condition']}{sample}", told, str(row["finish_reason"])]
