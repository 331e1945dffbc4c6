"""How fast a GPU writes, each row as if alone: `python -m benchmarks.writing_speed`.

A model in the shape of Qwen2 1.5B with random weights, in bf16, whose next token is sure about as
often as a trained model's: its head knows one follower of every token. Nothing is downloaded.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks import report
from benchmarks.shapes import ROOT
from cotsieve.engine.decoder import Decoder
from cotsieve.engine.decoding import Completion, Decoding
from cotsieve.engine.devices import set_matmul_mode
from cotsieve.engine.gpu.checked import chains_for
from cotsieve.engine.sampling import Nucleus
from cotsieve.engine.slots import place_bytes
from cotsieve.engine.written.engine import WritingEngine
from cotsieve.engine.written.starts import Start, family_of
from cotsieve.weights.architecture import Architecture

SHAPE = Architecture(
    family="qwen2", layers=28, hidden=1536, heads=12, kv_heads=2, head_dim=128, intermediate=8960,
    vocabulary=151_936, base_vocabulary=151_936, norm_eps=1e-6, max_positions=32_768,
    activation="silu", tied=False,
)  # fmt: skip
USUAL, SPREAD = 140.0, 17.0
"""Score of a token's usual follower, and spread of all scores: the best one has most of the chance
about half of the time."""
SAMPLED = Nucleus(0.6, 0.95)
ROWS, NEW = (512, 256, 64), 192
BEHIND = (4000, 64)
"""Tokens of long starts, and rows behind them."""
MANY = 300
"""Rows whose independence is tried."""
COLUMNS = ("measurement", "rows", "tokens/s", "ms a token", "GiB beside weights", "rows unlike")
NOTES = """\
Whole runs, reading of the starts included, the second of two, since the first one compiles and
captures. Rows unlike: whose ids or margin are others, in the second run, or in another batch.
"""
GIB = 2**30
Line = tuple[str, ...]


class Bench:
    """The model, and starts of random tokens for it."""

    def __init__(self, device: torch.device):
        self.device = device
        self._draw = torch.Generator().manual_seed(5)
        self.decoder = Decoder(
            SHAPE, _weights(device), _frequencies(), 1.0, device=device, dtype=torch.bfloat16
        )
        self.decoder.prove_products(SHAPE.vocabulary)
        if chains := chains_for(device, SHAPE, torch.bfloat16):
            self.decoder.fuse(chains)

    def starts(self, lengths: Sequence[int]) -> list[Start]:
        return [Start((row, 0), self._tokens(n), seed=row) for row, n in enumerate(lengths)]

    def engine(self, rows: int, new: int, nucleus: Nucleus | None) -> WritingEngine:
        how = Decoding(new, frozenset(), SHAPE.vocabulary, nucleus=nucleus)
        return WritingEngine(self.decoder, how, batch_rows=rows)

    def _tokens(self, count: int) -> tuple[int, ...]:
        return tuple(torch.randint(0, 151_000, (count,), generator=self._draw).tolist())


def lines(bench: Bench) -> Iterator[Line]:
    """The largest claim first."""
    for nucleus, name in ((None, "greedy"), (SAMPLED, "sampled")):
        for rows in ROWS:
            yield _speed(bench, name, nucleus, [100] * rows)
    length, rows = BEHIND
    yield _speed(bench, f"greedy, behind {length:,} tokens", None, [length] * rows)
    for nucleus, name in ((None, "greedy"), (SAMPLED, "sampled")):
        yield _independence(bench, name, nucleus)


def _speed(bench: Bench, name: str, nucleus: Nucleus | None, lengths: Sequence[int]) -> Line:
    """Tokens a second of whole runs, reading of the starts included; the first run captures."""
    starts = bench.starts(lengths)
    engine = bench.engine(len(starts), NEW, nucleus)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    first, _ = _run(engine, starts)
    again, seconds = _run(engine, starts)
    held = (torch.cuda.max_memory_allocated() - before) / GIB
    least = sum(lengths) + NEW * len(lengths)
    least = least * place_bytes(SHAPE, torch.bfloat16) / GIB
    unlike = sum(first[key] != again[key] for key in first)
    tokens = NEW * len(starts)
    return (
        name, str(len(starts)), f"{tokens / seconds:,.0f}", f"{1e3 * seconds / NEW:.2f}",
        f"{held:.2f} (keys and values: {least:.2f})", f"{unlike}/{len(first)}",
    )  # fmt: skip


def _independence(bench: Bench, name: str, nucleus: Nucleus | None) -> Line:
    """Ids and margins of rows in a full batch with refills, in small batches, and alone."""
    starts = bench.starts([40 + 13 * (row % 50) for row in range(MANY)])
    whole, _ = _run(bench.engine(256, NEW, nucleus), starts)
    others = {**_run(bench.engine(16, NEW, nucleus), starts[MANY // 30 : MANY // 3])[0]}
    others |= _run(bench.engine(1, NEW, nucleus), starts[:8])[0]
    unlike = sum(whole[key] != done for key, done in others.items())
    name = f"alone and among 16 against among 256, {name}"
    return name, str(MANY), "–", "–", "–", f"{unlike}/{len(others)}"


def _run(
    engine: WritingEngine, starts: Sequence[Start]
) -> tuple[dict[tuple[int, int], Completion], float]:
    torch.cuda.synchronize()
    begun = time.perf_counter()
    waiting = [family_of([start]) for start in starts]
    found = {key: done for rows in engine.run(waiting) for key, done in rows}
    torch.cuda.synchronize()
    return found, time.perf_counter() - begun


def _weights(device: torch.device) -> dict[str, torch.Tensor]:
    draw = torch.Generator(device).manual_seed(0)
    hidden, wide = SHAPE.hidden, SHAPE.intermediate

    def some(*size: int, deviation: float) -> torch.Tensor:
        return torch.randn(size, generator=draw, device=device) * deviation

    def ones() -> torch.Tensor:
        return torch.ones(hidden, device=device)

    weights = {
        "embed.weight": some(SHAPE.vocabulary, hidden, deviation=1.0),
        "head.weight": some(SHAPE.vocabulary, hidden, deviation=SPREAD * hidden**-0.5),
        "final_norm.weight": ones(),
    }
    follower = torch.randperm(SHAPE.vocabulary, generator=draw, device=device)
    weights["head.weight"][follower] += weights["embed.weight"] * (USUAL / hidden)
    calm = 0.5 * (2 * SHAPE.layers) ** -0.5  # what a block adds, beside the token itself
    for layer in range(SHAPE.layers):
        at = f"layers.{layer}."
        weights |= {at + "attention_norm.weight": ones(), at + "mlp_norm.weight": ones()}
        sizes = {"q": SHAPE.heads, "k": SHAPE.kv_heads, "v": SHAPE.kv_heads}
        for part, heads in sizes.items():
            out = heads * SHAPE.head_dim
            weights[f"{at}{part}.weight"] = some(out, hidden, deviation=hidden**-0.5)
            weights[f"{at}{part}.bias"] = some(out, deviation=0.1)
        weights[at + "o.weight"] = some(hidden, hidden, deviation=calm * hidden**-0.5)
        for part in ("gate", "up"):
            weights[f"{at}{part}.weight"] = some(wide, hidden, deviation=hidden**-0.5)
        weights[at + "down.weight"] = some(hidden, wide, deviation=calm * wide**-0.5)
    return weights


def _frequencies() -> torch.Tensor:
    size = SHAPE.head_dim
    return 1.0 / 10_000 ** (torch.arange(0, size, 2).float() / size)


def main() -> None:
    """Print a table, line by line as it is measured, and put it into the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results.md")
    arguments, started = parser.parse_args(), time.time()
    if not torch.cuda.is_available():
        raise SystemExit("this measures a GPU, and there is none")
    set_matmul_mode("bf16")
    device = torch.device("cuda", 0)
    with torch.inference_mode():
        bench = Bench(device)
        about = report.about(device, time.time() - started)
        table = [report.row(COLUMNS), report.row(["---"] * len(COLUMNS))]
        print("\n".join((about, "", *table)), flush=True)
        for line in lines(bench):
            table.append(report.row(line))
            print(table[-1], flush=True)
    report.put(arguments.results, "Speed of writing, cuda", "\n".join((about, "", NOTES, *table)))


if __name__ == "__main__":
    main()
