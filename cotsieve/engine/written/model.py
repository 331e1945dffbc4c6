"""A model that writes its reasoning: an engine with its tokenizer, and the words around it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from cotsieve.engine.decoding import Decoding
from cotsieve.engine.sampling import Nucleus
from cotsieve.engine.written.engine import WritingEngine
from cotsieve.engine.written.tags import Tags, Written
from cotsieve.ground.faults import bad
from cotsieve.interventions.prompts import THOUGHT_ANCHORS
from cotsieve.weights.architecture import Outline
from cotsieve.weights.chat_template import Chat, Switch, chat_of, default_of
from cotsieve.weights.tokenizer import begin_ids, control_ids, decode, entries, stop_ids


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
    lead: str = "\n"
    """What stands between the opening tag and the thought."""
    template: Mapping[str, Switch] = field(default_factory=dict)
    """What a chat template is told, by name."""


Part = tuple[str, bool]
"""Text of a prompt, and whether it comes from the study or the model: then control tokens and tags
in it are what they spell; else it is text, whatever it spells."""


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
        return self._read([*self._asked(problem), (self.style.open, True)])

    def opened(self, problem: str) -> tuple[int, ...]:
        """Token ids before the reasoning: the question, and the line end after the tag."""
        return self._read([*self._asked(problem), self._opening])

    def closed(self, problem: str, thought: str, forced: bool = False) -> tuple[int, ...]:
        """Token ids of a question with a whole thought, up to and with the closing tag.

        The thought brings its own line end.
        """
        parts = [*self._asked(problem), self._opening, (thought, False), self._ending(forced)]
        return self._read(parts)

    def cut(
        self, problem: str, reasoning: Sequence[int], forced: bool = False, whole: bool = False
    ) -> tuple[int, ...]:
        """Token ids of a question with a reasoning as its own tokens, and the closing tag.

        One that is not `whole` is broken off, and gets a line end if it has none.
        """
        done = whole or self.text(reasoning).endswith("\n")
        stop = [] if done else self._trusted("\n")
        return (*self.opened(problem), *reasoning, *stop, *self._trusted(self._ending(forced)[0]))

    def given(self, problem: str, thought: str) -> tuple[int, ...]:
        """The reasoning tokens of `closed`, in which the line end after the tag is its own token.

        Where a thought is joined in one token with what stands around it, it is read apart.
        """
        opened, closed = self.opened(problem), self.closed(problem, thought)
        end = len(closed) - len(close := self._trusted(self.style.close))
        if closed[: len(opened)] != opened or list(closed[end:]) != close:
            return tuple(self.plain(thought))
        return closed[len(opened) : end]

    def thought_length(self, problem: str, closed: Sequence[int], forced: bool = False) -> int:
        """Reasoning tokens of what `closed` gave, without the line end after the opening tag."""
        ending = self._trusted(self._ending(forced)[0])
        return max(0, len(closed) - len(self.opened(problem)) - len(ending))

    def read(self, written: Sequence[int]) -> Written:
        """What was written after `opened`: its text with its tags, its reasoning and its answer.

        The answer starts behind the last closing tag, the reasoning ends before the first.
        """
        return self._tags.parted(tuple(written), self.plain)

    def split(self, written: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """Reasoning and answer of what was written; no answer where it never came."""
        found = self.read(written)
        return found.reasoning, found.answer

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

    def _ending(self, forced: bool) -> Part:
        return self.style.close + (self.style.forced_answer if forced else ""), True

    @property
    def _opening(self) -> Part:
        return self.style.open + self.style.lead, True

    def _asked(self, problem: str) -> list[Part]:
        """A prompt up to the opening tag."""
        question = problem + self.style.instruction
        if self.style.prompt == "raw":
            return [(f"{question} ", False)]
        if self.style.prompt == "thought-anchors":
            before, after = THOUGHT_ANCHORS
            return [(f"{before}{problem}{after}", False)]
        before, after = chat_around(self.tokenizer, self.style)
        return [(before, True), (question, False), (after, True)]

    @cached_property
    def _tags(self) -> Tags:
        return Tags(self.tokenizer, self.style.open, self.style.close)

    @cached_property
    def _begin(self) -> tuple[int, ...]:
        return begin_ids(self.tokenizer)

    @cached_property
    def _marks(self) -> frozenset[int]:
        """Tokens that only the study and the model may bring into a prompt."""
        tags = {*self._trusted(self.style.open), *self._trusted(self.style.close)}
        added = self.tokenizer.added_tokens_decoder.keys()
        return frozenset(control_ids(self.tokenizer) | (tags & added))

    def _read(self, parts: Sequence[Part]) -> tuple[int, ...]:
        """Token ids of a prompt, which begins as the tokenizer begins a text, and does so once.

        It is read in one piece, as a tokenizer reads the whole prompt; where that made more of a
        problem or a thought than text, each part is read by itself.
        """
        ids = self._trusted("".join(text for text, _ in parts))
        told = [token for text, trusted in parts if trusted for token in self._trusted(text)]
        if self._marked(ids) != self._marked(told):
            ids = [
                token
                for text, trusted in parts
                for token in (self._trusted(text) if trusted else self.plain(text))
            ]
        begin = self._begin
        while begin and tuple(ids[: len(begin)]) == begin:
            ids = ids[len(begin) :]
        return (*begin, *ids)

    def _marked(self, ids: Sequence[int]) -> list[int]:
        return [token for token in ids if token in self._marks]

    def _trusted(self, text: str) -> list[int]:
        """Ids of text that comes from the study or the model, control tokens included."""
        if not text:
            return []
        return self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def plain(self, text: str) -> list[int]:
        """Ids of text from a data set: its words never become tags or control tokens."""
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


def chat_around(tokenizer: Any, style: ReasoningStyle) -> Chat:
    """What the model's chat template puts around a question. Raises BadInput where it cannot."""
    template, where = default_of(tokenizer.chat_template), str(tokenizer.name_or_path)
    if template is None:
        raise bad(where, "there is no chat template", "Add one, or write prompt: raw.")
    tags, known = (style.open, style.close), tokenizer.special_tokens_map
    return chat_of(template, known, style.template, tags=tags, where=where)


def decoding_of(
    decoding: Mapping[str, Any], folder: Path, tokenizer: Any, vocabulary: int
) -> Decoding:
    """How text is decoded, from the keys of `decoding` in a study and the files of the model.

    Of `vocabulary` rows, those beyond the tokenizer are never written.
    """
    sampled = decoding["temperature"] > 0
    return Decoding(
        decoding["max_new_tokens"],
        frozenset(stop_ids(folder, tokenizer)),
        min(vocabulary, entries(tokenizer)),
        nucleus=Nucleus(decoding["temperature"], decoding["top_p"]) if sampled else None,
    )
