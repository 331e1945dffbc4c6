"""How likely the reference answer is along a trace: forced after every sentence, and none written.

A trace is read twice, as it is and with the numbers of all sentences altered; what else is read are
the ends: a sentence in its other form, the closing tag, the words before the answer and the answer.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import pyarrow as pa

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.written.model import ReasoningModel
from cotsieve.engine.written.scoring import Score, Scorer
from cotsieve.ground import tables
from cotsieve.interventions.numbers import altered_numbers
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.given_reasoning import stored_trace
from cotsieve.rollouts.job import Job

log = logging.getLogger(__name__)

Row = dict[str, Any]

ANSWER_SCORES = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample", pa.int32()),
        ("sentence", pa.int32()),
        ("sentences", pa.int32()),
        ("answer", pa.string()),  # the words that are scored
        ("answer_tokens", pa.int32()),
        ("altered", pa.string()),  # the sentence with other numbers; null: none, it is left out
        ("log_p_before", pa.float64()),  # natural logarithm, after the sentences before this one
        ("log_p_after", pa.float64()),  # and after it
        ("log_p_altered", pa.float64()),  # after those before and the altered one
        ("log_p_after_among_altered", pa.float64()),  # after the altered ones before and this one
        ("log_p_altered_among_altered", pa.float64()),
        ("greedy_before", pa.bool_()),  # whether each token of the answer is the most likely one
        ("greedy_after", pa.bool_()),
        ("error", pa.string()),  # why nothing is known
    ]
)
"""One row per sentence of a trace."""
DIGITS = 5
"""Of a logarithm; what lies behind differs between machines."""
_SCORES = (
    "log_p_before",
    "log_p_after",
    "log_p_altered",
    "log_p_after_among_altered",
    "log_p_altered_among_altered",
)

Ids = tuple[int, ...]


class _Forms(NamedTuple):
    """A thought in parts, one per sentence with what stands behind it, in both forms."""

    lead: Ids
    """White space before the first sentence."""
    intact: list[Ids]
    altered: list[Ids]
    """Empty where a sentence has no number to alter."""
    texts: list[str | None]
    """Of the altered ones."""


class AnswerScorer:
    """Scores reference answers along traces with one model."""

    def __init__(self, model: ReasoningModel):
        self.model = model
        self._scorer = Scorer(model.engine.decoder, model.engine.how.vocabulary)

    @property
    def tokens_read(self) -> int:
        return self._scorer.tokens_read

    def rows(
        self, problem: Problem, ids: Sequence[int], sentences: Sequence[Mapping[str, Any]]
    ) -> list[Row]:
        """Rows of ANSWER_SCORES for a trace; `ids` are the tokens of its thought, `sentences` all
        its rows of the table of sentences."""
        answer = problem.answer + "}" * _open_braces(self.model.style.forced_answer)
        words = tuple(self.model.plain(answer))
        forms = self._forms(ids, sentences)
        told = {"answer": answer, "answer_tokens": len(words)}
        named = ("problem_id", "sample", "sentence", "sentences")
        rows = [
            dict.fromkeys(ANSWER_SCORES.names) | {name: row[name] for name in named} | told
            for row in sentences
        ]
        why = problem.error or self._unfit(problem, forms, words)
        scores = [{"error": why}] * len(rows) if why else self._scored(problem, forms, words)
        return [
            row | {"altered": text} | found
            for row, text, found in zip(rows, forms.texts, scores, strict=True)
        ]

    def _forms(self, ids: Sequence[int], sentences: Sequence[Mapping[str, Any]]) -> _Forms:
        firsts = [row["first_token"] for row in sentences]
        intact = [tuple(ids[start:end]) for start, end in pairwise([*firsts, len(ids)])]
        texts = [
            altered_numbers(self.model.text(part), f"{row['problem_id']}:{row['sentence']}")
            for part, row in zip(intact, sentences, strict=True)
        ]
        altered = [tuple(self.model.plain(text)) if text else () for text in texts]
        return _Forms(tuple(ids[: firsts[0]]), intact, altered, texts)

    def _unfit(self, problem: Problem, forms: _Forms, words: Ids) -> str | None:
        """Why a trace cannot be scored."""
        if not isinstance(self.model.engine.decoder, Decoder):
            return "answers are not scored with a model that the transformers library runs"
        if not words:
            return "there is no reference answer to score"
        pairs = zip(forms.intact, forms.altered, strict=True)
        longest = (*forms.lead, *(token for pair in pairs for token in max(pair, key=len)))
        needed = len(self.model.cut(problem.question, longest, forced=True)) + len(words)
        limit = self.model.architecture.max_positions
        told = f"too long: {needed} tokens to read, the model has {limit} positions"
        return told if needed > limit else None

    def _scored(self, problem: Problem, forms: _Forms, words: Ids) -> Iterator[Row]:
        count = len(forms.intact)
        intact = _growing(forms.lead, forms.intact)
        altered = _growing(forms.lead, forms.altered)
        ends = [(*before, *part) for before, part in zip(intact, forms.altered, strict=False)]
        others = [(*before, *part) for before, part in zip(altered, forms.intact, strict=False)]
        own = self._scores(problem, intact[-1], [*intact, *ends], words)
        among = self._scores(problem, altered[-1], [*others, *altered[1:]], words)
        of_sentence = zip(
            own[:count], own[1:], own[count + 1 :], among[:count], among[count:], strict=False
        )
        for five in of_sentence:
            found = {
                name: round(score.log_p, DIGITS) for name, score in zip(_SCORES, five, strict=True)
            }
            yield found | {"greedy_before": five[0].first, "greedy_after": five[1].first}

    def _scores(
        self, problem: Problem, shared: Ids, thoughts: Sequence[Ids], words: Ids
    ) -> list[Score]:
        """Of the answer forced after each thought; they begin as `shared` does."""
        question = problem.question
        beginnings = [self.model.cut(question, thought, forced=True) for thought in thoughts]
        return self._scorer.scores((*self.model.opened(question), *shared), beginnings, words)


def _growing(lead: Ids, parts: Sequence[Ids]) -> list[Ids]:
    """The thought before the first part, after it, …, and after all."""
    return list(accumulate(parts, lambda before, part: (*before, *part), initial=lead))


def _open_braces(text: str) -> int:
    return max(0, text.count("{") - text.count("}"))


def score_traces(job: Job, traces: Sequence[tuple[Problem, Row, Sequence[Row]]]) -> None:
    """Write ANSWER_SCORES of the traces of a shard: each its problem, its row of the table of
    rollouts and all its rows of the table of sentences. Without any no model is loaded."""
    found: list[Row] = []
    if traces:
        from cotsieve.engine.loading import load_reasoning_model

        scorer = AnswerScorer(job.loaded(load_reasoning_model))
        given = job.model["traces"] == "given"
        for problem, row, sentences in traces:
            trace = stored_trace(scorer.model, problem, row, given)
            found += scorer.rows(problem, trace.reasoning, sentences)
        failed = sum(row["error"] is not None for row in found)
        log.info("%d sentences of %d traces scored, %d failed; %d tokens read", len(found) - failed,
                 len(traces), failed, scorer.tokens_read)  # fmt: skip
    tables.write(found, job.output, ANSWER_SCORES, job.recipe.origin())
