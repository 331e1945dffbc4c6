"""The folder of a dataset of verified traces: Parquet, AM messages, unsolved problems, a card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cotsieve.findings.dataset.croissant import Described, write_croissant
from cotsieve.findings.dataset.publisher import citation, language, licence, licence_told
from cotsieve.findings.dataset.traces import TRACES, UNSOLVED, am_row, solved
from cotsieve.ground import tables
from cotsieve.ground.files import write_text
from cotsieve.ground.sheets import csv_text

PARQUET = "data/train-00000-of-00001.parquet"
MESSAGES = "am.jsonl"
UNSOLVED_LIST = "unsolved.csv"
CARD = "README.md"
COLUMNS = {
    "problem_id": "the problem, by source and row or the source's own id",
    "source": "the source of the problem",
    "row": "its row there, from 0",
    "level": "its level of difficulty, where the source tells",
    "subject": "its subject, where the source tells",
    "question": "the problem",
    "thought": "the reasoning, without the tags around it",
    "response": "what follows the thought",
    "reference_answer": "the reference answer as text",
    "prediction": "what the grader read from the response",
    "grader": "the rules that graded it",
    "model": "the model that wrote it",
    "sample": "which of the problem's samples it is, from 0",
    "thought_tokens": "tokens of the thought",
    "response_tokens": "tokens of the response",
    "samples": "samples of this problem, failed ones left out",
    "correct_samples": "those of them that are correct",
}
_KEYWORDS = ("math", "chain-of-thought", "reasoning")
_RULES = {
    "shortest": "the shortest in tokens",
    "first": "the first in the order of the samples",
    "random": "drawn at random, by seed and problem id",
}


def write_traces(
    folder: str | Path,
    traces: Sequence[Mapping[str, Any]],
    unsolved: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
    provenance: Mapping[str, Any],
    made: Mapping[str, Any] | None = None,
) -> None:
    """Write rows of TRACES and UNSOLVED; equal rows give equal bytes.

    `about` holds study, model, grader, and the rule: choose, per_problem, seed; and what the
    publisher says, as `publish.about` holds it. `made` is what the card tells of their making;
    by default as much as the table.
    """
    folder = Path(folder)
    tables.write(list(traces), folder / PARQUET, TRACES, provenance)
    lines = (json.dumps(am_row(trace), ensure_ascii=False) + "\n" for trace in traces)
    write_text(folder / MESSAGES, "".join(lines))
    write_text(folder / UNSOLVED_LIST, csv_text(UNSOLVED, unsolved))
    write_text(folder / CARD, _card(traces, unsolved, about, made or provenance))
    told = Described(_title(about), _opening(traces, about), _KEYWORDS, "traces", COLUMNS, about)
    write_croissant(folder, PARQUET, TRACES, (MESSAGES, UNSOLVED_LIST), told)


def _title(about: Mapping[str, Any]) -> str:
    return f"{about['study']}: verified traces of {about['model']}"


def _shortest(about: Mapping[str, Any]) -> str:
    least = about.get("least_tokens", 0)
    return f"- Every thought has at least {least:,} tokens.\n" if least else ""


def _opening(traces: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> str:
    problems = len({trace["problem_id"] for trace in traces})
    return (
        f"{len(traces):,} reasoning traces of {problems:,} problems, written by "
        f"`{about['model']}`. Every trace ended of itself, closes its thought once, and its answer "
        f"was graded correct against the reference answer (grader `{about['grader']}`)."
    )


def _card(traces, unsolved, about: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    header = {
        "pretty_name": _title(about),
        "license": licence(about),
        "language": [language(about)],
        "tags": list(_KEYWORDS),
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }
    problems = len({trace["problem_id"] for trace in traces})
    cited = "".join(f"{section}\n\n" for section in citation(about))
    origin = yaml.safe_dump(json.loads(json.dumps(provenance)), sort_keys=False, allow_unicode=True)
    return f"""---
{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---

# {header["pretty_name"]}

{_opening(traces, about)}

- Solved: {solved(traces, unsolved)} of {problems + len(unsolved):,} problems. \
`unsolved.csv` lists the {len(unsolved):,} others with what became of their samples.
- Up to {about["per_problem"]} per problem: {_RULES[about["choose"]]}\
{f" (seed {about['seed']})" if about["choose"] == "random" else ""}.
{_shortest(about)}\
- A right answer does not make every step before it right: the steps were not checked.

`data/` holds problem, thought, response, reference answer and how it was verified. \
`am.jsonl` holds the same traces in the message format of AM-DeepSeek-R1-Distilled.

```python
from datasets import load_dataset

traces = load_dataset("path/to/this/folder", split="train")
```

## Licence

{licence_told(about)}Problems stay under the licences of their sources, traces under the terms of \
the model. Check both before you publish this folder.

{cited}## How it was made

```yaml
{origin}```
"""
