"""The results of a study in Python: tables as they are asked for, single problems to look at."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cotsieve.ground.faults import bad
from cotsieve.notebook.problem_card import ProblemCard
from cotsieve.report.facts.given_text import GivenTexts
from cotsieve.report.facts.inputs import ModelTables
from cotsieve.rollouts.schema import BASELINE
from cotsieve.study.identity.records import recorded_params

PAGE = "report/index.html"
"""What was made last; its record tells what the models and conditions are."""
NOTHING: Mapping[str, Any] = {"sweep": "", "condition": "", "conditions": {}}


class OpenStudy:
    """A folder results/<study>; nothing is read before it is asked for, and nothing is written."""

    def __init__(self, folder: str | Path):
        """Raises BadInput where no study has its results."""
        self.folder = Path(folder)
        self.study = self.folder.resolve().name
        if not (self.folder / "problems.parquet").is_file():
            what = "holds no results of a study (there is no problems.parquet)"
            raise bad(self.folder, what, "Name results/<study>, after a run of the study.")

    def __repr__(self) -> str:
        return f"<study {self.study}: {len(self.models)} models, {self.folder}>"

    @property
    def models(self) -> list[str]:
        """Models with finished rollouts."""
        return sorted(path.stem for path in (self.folder / "merged").glob("*.parquet"))

    @cached_property
    def problems(self) -> pd.DataFrame:
        """The candidates: problem_id, source, row, question, answer, steps, stratum, and more."""
        return pq.read_table(self.folder / "problems.parquet").to_pandas()

    def conditions(self, model: str) -> Mapping[str, Mapping[str, Any]]:
        """Sweep → condition → what it does; None for the baseline."""
        return self._about(model)["conditions"]

    def rollouts(
        self,
        model: str,
        condition: str | None = None,
        sweep: str | None = None,
        problems: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        arrow: bool = False,
    ) -> pd.DataFrame | pa.Table:
        """Rollouts and verdicts: of one condition or all, one sweep or all, some problems or all.

        A row per problem × condition × sample: `text`, `prediction`, `verdict` (correct, incorrect,
        no_answer, failed), `finish_reason`, `error`, lengths in tokens, and what was read.
        """
        wanted = {"condition": condition and [condition], "sweep": sweep and [sweep]}
        wanted["problem_id"] = None if problems is None else list(problems)
        return self._table(f"merged/{model}.parquet", wanted, columns, arrow)

    def necessity(self, model: str, arrow: bool = False) -> pd.DataFrame | pa.Table:
        """A row per problem: right at baseline, right when ablated, `needs_cot`."""
        return self._table(f"necessity/{model}.parquet", {}, None, arrow)

    def anchors(self, model: str, arrow: bool = False) -> pd.DataFrame | pa.Table:
        """A row per problem × trace × sentence: what leaving it out changes (docs/anchors.md)."""
        return self._table(f"anchors/{model}.parquet", {}, None, arrow)

    def read_prompt(self, row: Mapping[str, Any], model: str | None = None) -> str:
        """What a model had read when it wrote a rollout: the question and, where it was given one,
        the reasoning, changed as the condition says.

        `row` is one of `rollouts`; `model` may be left out where the study has one. Raises BadInput
        where the reasoning cannot be made again.
        """
        model = model or self._only_model()
        found = self.problem(row["problem_id"]).question
        if row["condition"] == BASELINE or self._about(model).get("family") != "reasoning":
            return found
        given = self.given_reasoning(row["problem_id"], model, row["sweep"], row["condition"])
        if row["sample"] not in given:
            where = f"{row['problem_id']} under {row['condition']}"
            raise bad(
                where, "its reasoning cannot be made again", "Look at rows that did not fail."
            )
        return f"{found}\n\n{given[row['sample']]}"

    def given_reasoning(
        self, problem: str, model: str, sweep: str, condition: str
    ) -> dict[int, str]:
        """Sample → the reasoning that a writing model was given for a problem under a condition."""
        rows = self.rollouts(model, sweep=sweep, problems=[problem], arrow=True)
        donors = [donor for donor in rows["donor"].to_pylist() if donor]
        rows = self.rollouts(model, sweep=sweep, problems=[problem, *donors], arrow=True)
        columns = ["problem_id", "reasoning"]
        problems = self._table(
            "problems.parquet", {"problem_id": [problem, *donors]}, columns, True
        )
        about = ModelTables(model, rows, [], [], **self._about(model))
        texts = GivenTexts(about, problems, sweep).under(condition)
        return {sample: text for (name, sample), text in texts.items() if name == problem}

    def problem(self, problem_id: str) -> ProblemCard:
        """One problem and what every model makes of it; a notebook shows it as a table."""
        wanted = {"problem_id": [problem_id]}
        found = self._table("problems.parquet", wanted, None, True).to_pylist()
        if not found:
            known = ", ".join(self.problems["problem_id"].head(3))
            mend = f"Ids look like {known}."
            raise bad(problem_id, f"is no problem of study {self.study}", mend)
        rows = {
            model: self.rollouts(model, problems=[problem_id], arrow=True) for model in self.models
        }
        needs = {model: self._needs(model, problem_id) for model in self.models}
        return ProblemCard(found[0], {m: rows[m].to_pylist() for m in rows}, needs)

    def _needs(self, model: str, problem_id: str) -> bool | None:
        path = f"necessity/{model}.parquet"
        if not (self.folder / path).is_file():
            return None
        rows = self._table(path, {"problem_id": [problem_id]}, ["needs_cot"], True)["needs_cot"]
        return rows[0].as_py() if len(rows) else None

    def _only_model(self) -> str:
        if len(self.models) != 1:
            raise bad("model", "the study has several", f"Name one of {', '.join(self.models)}.")
        return self.models[0]

    @cached_property
    def _told(self) -> Mapping[str, Any]:
        return (recorded_params(self.folder, self.folder / PAGE) or {}).get("models", {})

    def _about(self, model: str) -> Mapping[str, Any]:
        return self._told.get(model, NOTHING)

    def _table(
        self,
        name: str,
        wanted: Mapping[str, Sequence[str] | None],
        columns: Sequence[str] | None,
        arrow: bool,
    ) -> pd.DataFrame | pa.Table:
        path = self.folder / name
        if not path.is_file():
            made = sorted(file.stem for file in path.parent.glob("*.parquet"))
            mend = f"There is: {', '.join(made)}." if made else "Run the study to its end."
            raise bad(path, "there is no such table", mend)
        filters = [(key, "in", list(values)) for key, values in wanted.items() if values]
        table = pq.read_table(path, columns=columns and [*columns], filters=filters or None)
        return table if arrow else table.to_pandas()
