"""What a model reads before a sentence is written anew: the thought up to it, in three forms.

Rollouts around a sentence stand in tables of rollouts as those of a unit, which names the sentence.
"""

from collections.abc import Sequence

PREFIXES = ("as-written", "joined", "reference")
"""as-written: the trace's own text, white space and tokens included; joined: the sentences before,
a blank between them, as "Thought Anchors" says; reference: as its published code does it, which
also deletes earlier repeats of the sentence."""


def prefix(chunks: Sequence[str], sentence: int, form: str) -> str:
    """The thought before a sentence, from the texts of all: `joined` or `reference`."""
    if form == "joined":
        return " ".join(chunks[:sentence])
    return " ".join(chunks[: sentence + 1]).replace(chunks[sentence], "").strip()


def unit_id(problem_id: str, sample: int, sentence: int) -> str:
    """How a sentence of a trace is called in a table of rollouts."""
    return f"{problem_id}:{sample}:{sentence}"


def parsed_unit(name: str) -> tuple[str, int, int]:
    """Problem id, sample and sentence that `unit_id` put together."""
    problem_id, sample, sentence = name.rsplit(":", 2)
    return problem_id, int(sample), int(sentence)
