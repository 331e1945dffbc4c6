"""What a model reads before a sentence is written anew: the thought up to it, in three forms."""

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
