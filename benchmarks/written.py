"""The engine for written reasoning against the stock library: `python -m benchmarks.written`.

Traces, ablations that start from them, and many samples from places of one trace; all in one
process, in turns, in float32, with the tokens compared. On a CPU the model is the embedded one and
seconds are those of the process on one thread; `--device cuda` takes a model in the shape of Qwen2
1.5B with random weights, and wall time. Nothing is downloaded.
"""

import os
import time

STARTED = time.time()
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import argparse  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
from transformers import GenerationConfig  # noqa: E402

from benchmarks import report, stock_writing  # noqa: E402
from benchmarks.shapes import ROOT  # noqa: E402
from benchmarks.written_model import (  # noqa: E402
    CONDITIONS,
    EMBEDDED,
    SIZES,
    Bench,
    Timed,
    load,
    random_model,
    timed,
)
from cotsieve.engine.sampling import Nucleus, stream_seed  # noqa: E402
from cotsieve.engine.written.starts import Start, families  # noqa: E402
from cotsieve.rollouts.given_reasoning import Trace, stored_trace  # noqa: E402
from cotsieve.rollouts.schema import BASELINE  # noqa: E402
from cotsieve.rollouts.written_rows import ablate, trace  # noqa: E402

Rows = dict[Any, list[int]]
"""Key → token ids."""
Line = tuple[str, ...]
COLUMNS = ("measurement", "rows", "s", "tokens/s", "ratio (min-max)", "tokens read", "rows unlike")


def traces(bench: Bench) -> Iterator[Line]:
    """Baseline traces: the engine, and `generate` alone, batched and with continuous batching."""
    library, how = bench.library, bench.model.engine.how
    stop = sorted(how.stop_ids)
    config = GenerationConfig(
        do_sample=False, max_new_tokens=how.max_new_tokens, eos_token_id=stop, pad_token_id=0
    )
    prompts = {
        problem.problem_id: list(bench.model.opened(problem.question)) for problem in bench.problems
    }
    few = dict(list(prompts.items())[:: max(1, len(prompts) // bench.sizes.alone)])
    calls = {
        "engine": lambda: _traced(bench),
        "generate, one by one": lambda: stock_writing.alone(library, few, config),
        "generate, one batch": lambda: stock_writing.batched(library, prompts, config),
    }
    try:  # never the model that is used elsewhere: a manager may stay attached to it
        calls["generate_batch (continuous)"] = stock_writing.continuous(library, prompts, config)
    except stock_writing.Unavailable as error:
        yield (f"traces, generate_batch left out: {error}", *["–"] * (len(COLUMNS) - 1))
    done = timed(calls, bench.device)
    expected = done.found["engine"]
    for name, rows in done.found.items():
        share = len(expected) / len(rows)
        unlike = sum(expected[key] != tokens for key, tokens in rows.items())
        yield (
            f"traces, {name}",
            str(len(rows)),
            f"{done.median(name):.2f}",
            f"{sum(map(len, rows.values())) / done.median(name):.0f}",
            done.ratio(name, "engine", share),
            "–",
            f"{unlike}/{len(rows)}",
        )


def _traced(bench: Bench) -> Rows:
    made = trace(bench.fresh(), bench.recipe, bench.problems, [0])
    return {row["problem_id"]: row["token_ids"] for rows in made for row in rows}


def _stored(bench: Bench) -> tuple[list[Trace], int]:
    """Traces of all problems, and the tokens read for them."""
    model = bench.fresh()
    made = trace(model, bench.recipe, bench.problems, [0])
    rows = {row["problem_id"]: row for batch in made for row in batch}
    stored = [
        stored_trace(model, problem, rows[problem.problem_id], False) for problem in bench.problems
    ]
    return stored, model.engine.tokens_read


def ablations(bench: Bench) -> Iterator[Line]:
    """Every condition at once from stored traces; each by itself; and with the traces made anew."""
    (stored, _), names = _stored(bench), [name for name in CONDITIONS if name != BASELINE]

    def together() -> tuple[int, Rows]:
        return _ablated(bench, stored, [names])

    def apart() -> tuple[int, Rows]:
        return _ablated(bench, stored, [[name] for name in names])

    def anew() -> tuple[int, Rows]:
        read, rows = 0, {}
        for name in names:
            again, written = _stored(bench)
            more, found = _ablated(bench, again, [[name]])
            read, rows = read + written + more, rows | found
        return read, rows

    calls = {
        "from stored traces": together,
        "each prompt read anew": apart,
        "each trace written anew": anew,
    }
    yield from _compared(timed(calls, bench.device), f"{len(names)} ablations, ")


def _ablated(
    bench: Bench, stored: Sequence[Trace], groups: Sequence[Sequence[str]]
) -> tuple[int, Rows]:
    model, rows = bench.fresh(), {}
    for names in groups:
        for batch in ablate(model, bench.recipe.limited_to(names), stored, {}):
            rows |= {(row["problem_id"], row["condition"]): row["token_ids"] for row in batch}
    return model.engine.tokens_read, rows


def samples(bench: Bench) -> Iterator[Line]:
    """Many samples from many places of a long trace, its text read once and every time.

    The long trace is that of one problem after the other.
    """
    sizes = bench.sizes
    stored, _ = _stored(bench)
    opened = bench.model.opened(stored[0].problem.question)
    reasoning = [token for item in stored for token in item.reasoning][: sizes.read]
    whole = len(reasoning)
    ends = sorted({round(whole * (n + 1) / sizes.places) for n in range(sizes.places)})
    starts = [
        Start(
            (place, sample),
            (*opened, *reasoning[:end]),
            seed=stream_seed(0, f"place {place}", sample),
        )
        for place, end in reversed(list(enumerate(ends)))
        for sample in range(sizes.samples)
    ]
    few = starts[:: max(1, len(starts) // sizes.unshared)]

    def together() -> tuple[int, Rows]:
        return _continued(bench, [starts])

    def apart() -> tuple[int, Rows]:
        return _continued(bench, [[start] for start in few])

    name = f"{sizes.samples} samples from each of {len(ends)} places of {whole} tokens, "
    calls = {"prefix read once": together, "prefix read for every sample": apart}
    yield from _compared(timed(calls, bench.device), name)


def _continued(bench: Bench, groups: Sequence[Sequence[Start]]) -> tuple[int, Rows]:
    nucleus = Nucleus(temperature=0.6, top_p=0.95)
    engine = bench.fresh(nucleus=nucleus, max_new_tokens=bench.sizes.continued).engine
    waiting = [family for group in groups for family in families(group)]
    rows = {key: list(done.token_ids) for part in engine.run(waiting) for key, done in part}
    return engine.tokens_read, rows


def _compared(done: Timed, about: str) -> Iterator[Line]:
    """Lines of calls that tell (tokens read, rows); the first is what the others are compared to.

    One that made fewer rows is scaled to as many.
    """
    first = next(iter(done.found))
    least, expected = done.found[first]
    for name, (read, rows) in done.found.items():
        share = len(expected) / len(rows)
        unlike = sum(expected[key] != tokens for key, tokens in rows.items())
        yield (
            about + name,
            str(len(rows)),
            f"{done.median(name):.2f}",
            f"{sum(map(len, rows.values())) / done.median(name):.0f}",
            done.ratio(name, first, share),
            f"{read} ({share * read / least:.1f})",
            f"{unlike}/{len(rows)}",
        )


NOTES = """\
Ratio: times as long per row as the first line of its kind; rows unlike: those whose tokens are not
the same. Tokens read: by the model before it writes, and as a multiple of the first line's.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results.md")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = EMBEDDED if device.type == "cpu" else random_model(Path(made), device)
        bench = load(folder, device, SIZES[device.type])
    about = report.about(device, time.time() - STARTED)
    lines = [report.row(COLUMNS), report.row(["---"] * len(COLUMNS))]
    print("\n".join((about, "", *lines)), flush=True)
    for measure in (samples, traces, ablations):
        for line in measure(bench):
            lines.append(report.row(line))
            print(lines[-1], flush=True)
    text = "\n".join((about, "", NOTES, *lines))
    report.put(arguments.results, f"Written reasoning, {device.type}", text)


if __name__ == "__main__":
    main()
