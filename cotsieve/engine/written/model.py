"""A model that writes its reasoning: an engine with its tokenizer, and the words around it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cotsieve.engine.decoding import Decoding
from cotsieve.engine.sampling import Nucleus
from cotsieve.engine.written.engine import WritingEngine
from cotsieve.interventions.prompts import THOUGHT_ANCHORS
from cotsieve.weights.architecture import Outline
from cotsieve.weights.tokenizer import decode, encode_questions, stop_ids

_PROBLEM = "\ue000"
"""Stands for the problem while a chat template is rendered; a private character, so in no text."""


@dataclass(frozen=True)
class ReasoningStyle:
    """How a family of models marks its reasoning; all of it data from the study."""

    prompt: str
    """`raw`: problem, instruction and opening tag, as in "From Reasoning to Answer"; `chat`: the
    model's own chat template around problem and instruction; `thought-anchors`: as in that study,
    where the instruction comes first."""
    instruction: str
    open: str
    close: str
    forced_answer: str
    """Written after the closing tag where a condition forces an answer."""


@dataclass(frozen=True)
class ReasoningModel:
    """An engine with its tokenizer and the words around its reasoning."""

    engine: WritingEngine
    """For traces alone, anything that has its `run`, `how` and `batch_rows`."""
    architecture: Outline
    tokenizer: Any
    style: ReasoningStyle

    def question(self, problem: str) -> tuple[int, ...]:
        """Token ids up to and with the opening tag; the problem itself is only ever text."""
        if self.style.prompt == "chat":
            before, after = self._chat()
            ids = [*self._trusted(before), *self._text(problem + self.style.instruction)]
            return (*ids, *self._trusted(after), *self._trusted(self.style.open))
        if self.style.prompt == "thought-anchors":
            before, after = THOUGHT_ANCHORS
            head = self._text(f"{before}{problem}{after}", begin=True)
        else:
            head = self._text(f"{problem}{self.style.instruction} ", begin=True)
        return (*head, *self._trusted(self.style.open))

    def opened(self, problem: str) -> tuple[int, ...]:
        """Token ids before the reasoning: the question, and the line end after the tag."""
        return (*self.question(problem), *self._trusted("\n"))

    def closed(self, problem: str, thought: str, forced: bool = False) -> tuple[int, ...]:
        """Token ids of a question with a whole thought, up to and with the closing tag.

        The thought brings its own line end; it is read as text, in one piece with the line end
        after the opening tag, as a tokenizer reads the whole prompt.
        """
        ids = [*self.question(problem), *self._plain("\n" + thought)]
        return (*ids, *self._ending(forced))

    def cut(
        self, problem: str, reasoning: Sequence[int], forced: bool = False, whole: bool = False
    ) -> tuple[int, ...]:
        """Token ids of a question with a reasoning as its own tokens, and the closing tag.

        One that is not `whole` is broken off, and gets a line end if it has none.
        """
        done = whole or self.text(reasoning).endswith("\n")
        stop = [] if done else self._trusted("\n")
        return (*self.opened(problem), *reasoning, *stop, *self._ending(forced))

    def given(self, problem: str, thought: str) -> tuple[int, ...]:
        """The reasoning tokens of `closed`, in which the line end after the tag is its own token.

        Where a thought begins with a line end a tokenizer may join the two; it is then read apart.
        """
        opened, closed = self.opened(problem), self.closed(problem, thought)
        if closed[: len(opened)] != opened:
            return tuple(self._plain(thought))
        return closed[len(opened) : len(closed) - len(self._ending(False))]

    def thought_length(self, problem: str, closed: Sequence[int], forced: bool = False) -> int:
        """Reasoning tokens of what `closed` gave, without the line end after the opening tag."""
        return max(0, len(closed) - len(self.opened(problem)) - len(self._ending(forced)))

    def split(self, written: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """Reasoning and answer of what was written after `opened`; no answer where it never came.

        The answer starts behind the last closing tag, the reasoning ends before the first.
        """
        tag = tuple(self._trusted(self.style.close))
        places = [i for i in range(len(written)) if tuple(written[i : i + len(tag)]) == tag]
        if not places:
            return tuple(written), None
        return tuple(written[: places[0]]), tuple(written[places[-1] + len(tag) :])

    def text(self, ids: Sequence[int]) -> str:
        return decode(self.tokenizer, ids)

    def too_long(self, tokens: Sequence[int]) -> str | None:
        """Why a start does not fit the model, or None."""
        needed = len(tokens) + self.engine.how.max_new_tokens
        limit = self.architecture.max_positions
        if needed <= limit:
            return None
        return (
            f"too long: {len(tokens)} tokens to read, {needed} with what may be written, "
            f"the model has {limit} positions"
        )

    def _ending(self, forced: bool) -> list[int]:
        close = self._trusted(self.style.close)
        return [*close, *self._trusted(self.style.forced_answer)] if forced else close

    def _chat(self) -> tuple[str, str]:
        rendered = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": _PROBLEM}], tokenize=False, add_generation_prompt=True
        )
        before, _, after = rendered.partition(_PROBLEM)
        bare = after.rstrip("\n")  # templates of models that reason may open the thought
        return before, bare.removesuffix(self.style.open) if bare.endswith(
            self.style.open
        ) else after

    def _trusted(self, text: str) -> list[int]:
        """Ids of text that comes from the study or the model, control tokens included."""
        if not text:
            return []
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def _text(self, text: str, begin: bool = False) -> list[int]:
        """Ids of text from a data set: its words never become tags or control tokens."""
        first, *rest = self._pieces(text)
        head = encode_questions(self.tokenizer, [first])[0] if begin else self._plain(first)
        return [*head, *(token for piece in rest for token in self._plain(piece))]

    def _plain(self, text: str) -> list[int]:
        options = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        return [
            token
            for piece in self._pieces(text)
            for token in self.tokenizer(piece, **options)["input_ids"]
        ]

    def _pieces(self, text: str) -> list[str]:
        """The text in pieces of which none holds a tag."""
        tags = "|".join(re.escape(tag) for tag in (self.style.open, self.style.close))
        inside = [found.start() + 1 for found in re.finditer(tags, text)]
        return [text[start:end] for start, end in pairwise([0, *inside, len(text)])]


def decoding_of(
    decoding: Mapping[str, Any], folder: Path, tokenizer: Any, vocabulary: int
) -> Decoding:
    """How text is decoded, from the keys of `decoding` in a study and the files of the model."""
    sampled = decoding["temperature"] > 0
    return Decoding(
        decoding["max_new_tokens"],
        frozenset(stop_ids(folder, tokenizer)),
        vocabulary,
        nucleus=Nucleus(decoding["temperature"], decoding["top_p"]) if sampled else None,
    )
