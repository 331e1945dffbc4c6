"""What jobs around the sentences of traces have read, and what sharing saved, from their logs."""

import re
from collections import defaultdict
from pathlib import Path

_TOLD = re.compile(r"(\d+) tokens read, (\d+) saved")


def tokens_read(results: str | Path) -> list[str]:
    """A line per model whose rollouts around sentences were made; of the last run of each job."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for rule in ("resample", "complete"):
        logs = Path(results) / "logs" / rule
        for log in sorted(logs.rglob("*.log")):
            model = log.relative_to(logs).parts[0]
            for read, saved in _TOLD.findall(log.read_text("utf-8", "replace")):
                sums[model][0] += int(read)
                sums[model][1] += int(saved)
    return [
        f"{model}: {read:,} tokens read before writing, {saved:,} saved by reading them once"
        for model, (read, saved) in sums.items()
    ]
