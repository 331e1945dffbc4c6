"""The folder of a dataset of verified traces: Parquet, AM messages, unsolved problems, a card."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cotsieve.findings.traces import TRACES, UNSOLVED, am_row, solved
from cotsieve.ground import tables
from cotsieve.ground.files import write_text

PARQUET = "data/train-00000-of-00001.parquet"
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
) -> None:
    """Write rows of TRACES and UNSOLVED; equal rows give equal bytes.

    `about` holds study, model, grader, and the rule: choose, per_problem, seed.
    """
    folder = Path(folder)
    tables.write(list(traces), folder / PARQUET, TRACES, provenance)
    lines = (json.dumps(am_row(trace), ensure_ascii=False) + "\n" for trace in traces)
    write_text(folder / "am.jsonl", "".join(lines))
    text = io.StringIO()
    writer = csv.DictWriter(text, UNSOLVED, lineterminator="\n")
    writer.writeheader()
    writer.writerows(unsolved)
    write_text(folder / "unsolved.csv", text.getvalue())
    write_text(folder / "README.md", _card(traces, unsolved, about, provenance))


def _card(traces, unsolved, about: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    header = {
        "pretty_name": f"{about['study']}: verified traces of {about['model']}",
        "license": "other",
        "language": ["en"],
        "tags": ["math", "chain-of-thought", "reasoning"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }
    problems = len({trace["problem_id"] for trace in traces})
    origin = yaml.safe_dump(json.loads(json.dumps(provenance)), sort_keys=False, allow_unicode=True)
    return f"""---
{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---

# {header["pretty_name"]}

{len(traces):,} reasoning traces of {problems:,} problems, written by `{about["model"]}`. \
Every trace ended of itself, closes its thought once, and its answer was graded correct \
against the reference answer (grader `{about["grader"]}`).

- Solved: {solved(traces, unsolved)} of {problems + len(unsolved):,} problems. \
`unsolved.csv` lists the {len(unsolved):,} others with what became of their samples.
- Up to {about["per_problem"]} per problem: {_RULES[about["choose"]]}\
{f" (seed {about['seed']})" if about["choose"] == "random" else ""}.
- A right answer does not make every step before it right: the steps were not checked.

`data/` holds problem, thought, response, reference answer and how it was verified. \
`am.jsonl` holds the same traces in the message format of AM-DeepSeek-R1-Distilled.

```python
from datasets import load_dataset

traces = load_dataset("path/to/this/folder", split="train")
```

## Licence

Problems stay under the licences of their sources, traces under the terms of the model. Check both \
before you publish this folder.

## How it was made

```yaml
{origin}```
"""
