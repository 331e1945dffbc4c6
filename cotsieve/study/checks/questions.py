"""Whether the questions of a study fit its models, counted before anything runs."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from cotsieve.ground.confined import Failed, OutOfBounds, confined
from cotsieve.ground.faults import BadInput, bad
from cotsieve.study.plan.problems import Plan
from cotsieve.study.settings.models import Model, ReasoningModel
from cotsieve.weights.architecture import Outline

TOKENIZER_SECONDS = 10
"""Of a processor, for loading a tokenizer;"""
SLOWEST = 200_000
"""and one more for so many characters."""
MOST_ENCODED = 50
"""The longest questions, of which the tokens are counted."""


def written_positions(plan: Plan, name: str) -> int:
    """Positions a row takes behind its question: thoughts and what is written, at most."""
    thoughts = getattr(plan.study.models[name], "thoughts", 0)
    return thoughts + plan.study.decoding_of(name).max_new_tokens


def check_questions(
    plan: Plan,
    name: str,
    model: Model | ReasoningModel,
    base: Path,
    shape: Outline,
    lines: list[str],
) -> int:
    """Tokens of the longest question that fits; a line for those that do not. BadInput when not
    even the shortest fits the model."""
    room = shape.max_positions - written_positions(plan, name)
    latent = isinstance(model, Model)
    tokens = sorted(_counted(base, shape, latent, _extremes(plan, room)))
    if room <= 0 or (tokens and tokens[0] > room):
        shortest = f", the shortest question {tokens[0]}" if tokens else ""
        what = (
            f"no question fits: the model has {shape.max_positions} positions, thoughts and "
            f"answer may take {written_positions(plan, name)}{shortest}"
        )
        raise bad(f"models.{name}", what, "Lower decoding.max_new_tokens.")
    long = sum(count > room for count in tokens)
    if long:
        lines.append(
            f"models.{name}: {long:,} {'question' if long == 1 else 'questions'} of up to "
            f"{tokens[-1]:,} tokens will not fit {shape.max_positions:,} positions beside "
            f"{written_positions(plan, name):,} for what is written; they fail everywhere"
        )
    if not latent and tokens:
        lines += _reading_room(plan, name, shape, min(tokens[-1], room))
    return min(tokens[-1], room) if tokens else min(256, room)


def _reading_room(plan: Plan, name: str, shape: Outline, longest: int) -> Iterator[str]:
    """Where a reasoning of full length is read again, its answer may find no room."""
    written = written_positions(plan, name)
    room = shape.max_positions - written - longest
    if room >= written:
        return
    reading = [
        condition
        for key, sweep in plan.study.sweeps.items()
        if name in plan.study.models_of(key)
        for condition, what in sweep.all_conditions().items()
        if what.get("reasoning", "keep") not in ("empty", "finished", "statement-only")
    ]
    if reading:
        yield (
            f"models.{name}: reasonings of more than {max(room, 0):,} tokens may not fit when they "
            f"are read again, under {', '.join(reading)}; such rows fail with that reason"
        )


def _extremes(plan: Plan, room: int) -> list[str]:
    """The shortest question, the longest ones, and all that may be longer than `room`: a token has
    at least one byte. Of the sources that are on disk."""
    names = [name for name in plan.study.sources if plan.source_file(name).is_file()]
    pools = [pool.only(pool.catalogue.usable[pool.places]) for pool in map(plan.asked, names)]
    if not any(len(pool.places) for pool in pools):
        return []
    sizes = np.concatenate([pool.field("asked") for pool in pools])
    longest = np.sort(sizes)[-MOST_ENCODED:][0]
    shortest = sizes.min()
    found, first = [], []
    for pool in pools:
        size = pool.field("asked")
        chosen = pool.only((size >= longest) | (size > room)).problems()
        found += [problem.question for problem in chosen]
        first += [item.question for item in pool.only(size == shortest).first(1).problems()]
    return [*first[: int(shortest < longest)], *found]


def _counted(base: Path, shape: Outline, latent: bool, texts: list[str]) -> list[int]:
    """Tokens of questions.

    The expressions of a tokenizer may explode and its normaliser fill memory, in code that no
    exception stops, so they are tried in a process of its own.
    """
    seconds = TOKENIZER_SECONDS + sum(map(len, texts)) // SLOWEST
    try:
        return confined(partial(_tokens, base, shape, latent, texts), seconds)
    except (OutOfBounds, Failed) as error:
        what = f"its tokenizer cannot read the questions ({error})"
        raise bad(base, what, "Fetch the model's tokenizer files again.") from None


def _tokens(base: Path, shape: Outline, latent: bool, chosen: list[str]) -> list[int]:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    file = base / "tokenizer.json"
    if file.is_file():
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(file))
            size = tokenizer.get_vocab_size(with_added_tokens=True)
            if size == shape.base_vocabulary or not latent:
                return [len(item.ids) for item in tokenizer.encode_batch(chosen)]
        except Exception as error:  # the library raises bare Exception on damaged files
            what = f"its tokenizer cannot be loaded ({str(error)[:100]})"
            raise bad(file, what, "Fetch the model's tokenizer files again.") from None
    from cotsieve.weights.tokenizer import load_tokenizer, vocabulary_findings

    slow = load_tokenizer(base)  # seconds: other layouts, and vocabularies that seem not to fit
    findings = vocabulary_findings(slow, base, shape.base_vocabulary) if latent else []
    if findings:
        raise BadInput(findings)
    return [len(slow(text)["input_ids"]) for text in chosen]
