"""The committed model that writes its reasoning, and what it was trained to write."""

from pathlib import Path

import pytest
import torch

from cotsieve.answers.boxed import last_box
from cotsieve.answers.thinking import CLOSE
from cotsieve.demo import stories
from cotsieve.demo.reasoner_evaluation import WELL_FORMED, as_problems, load, rollouts
from cotsieve.demo.reasoner_text import LARGEST_NUMBER, answer, chain, prompt, thought
from cotsieve.interventions.prompts import THOUGHTS, raw_prompt
from cotsieve.interventions.sentences import sentences
from cotsieve.weights.tokenizer import load_tokenizer

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "models" / "tiny-reasoner"
CONDITIONS = {
    "baseline": None,
    "empty": {"reasoning": "empty"},
    "altered": {"reasoning": "alter-statement"},
    "forced": {"reasoning": "keep", "answer": "forced"},
}


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(FOLDER)


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return load(FOLDER)


def test_prompt_is_the_published_one_with_the_default_instruction():
    problem = stories.make_sample(1, seed=11)[0]
    assert prompt(problem) == raw_prompt(problem.question, "with", instruction=True)


def test_every_step_is_a_sentence():
    for problem in stories.make_sample(50, seed=11):
        assert [found.text for found in sentences(thought(problem))] == chain(problem)


def test_texts_survive_encoding_and_hold_no_byte_pieces(tokenizer):
    texts = [
        prompt(problem) + thought(problem) + CLOSE + answer(problem.result)
        for problem in stories.make_sample(100, seed=11)
    ]
    texts += [text for text in THOUGHTS.values() if text]
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert not any(piece.startswith("<0x") for piece in tokenizer.convert_ids_to_tokens(ids))


@pytest.mark.parametrize(
    "text", ["Zoë pays 3,75 €\tor 1234.", "  a \n\n\n b", "?? + ? = ??.", "..."]
)
def test_strange_texts_survive_encoding(tokenizer, text):
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_a_number_is_one_token(tokenizer):
    for number in range(LARGEST_NUMBER + 1):
        assert len(tokenizer(str(number), add_special_tokens=False)["input_ids"]) == 1


def test_tags_are_tokens_that_decoding_keeps(tokenizer):
    ids = tokenizer("<think>\n\n</think>")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["<s>", "<think>", "\n\n", "</think>"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>\n\n</think>"
    assert not {"<think>", "</think>"} & set(tokenizer.all_special_tokens)


def test_engine_reads_prompts_as_the_tokenizer_reads_their_whole_text(model):
    for problem in stories.make_sample(5, seed=11):
        whole = model.tokenizer(prompt(problem))["input_ids"]
        assert list(model.opened(problem.question)) == whole
        closed = model.tokenizer(prompt(problem) + thought(problem) + CLOSE)["input_ids"]
        assert list(model.closed(problem.question, thought(problem))) == closed


def test_solves_problems_and_answers_what_its_reasoning_says(model):
    problems = as_problems(stories.make_sample(12, seed=11))
    found = rollouts(model, problems, CONDITIONS)
    right = [
        p for p in problems if last_box(found["baseline"][p.problem_id]["answer_text"]) == p.answer
    ]
    assert len(right) >= 9
    for problem in right:
        row = {name: rows[problem.problem_id] for name, rows in found.items()}
        assert all(WELL_FORMED.fullmatch(one["answer_text"]) for one in row.values())
        assert model.tokenizer(row["baseline"]["text"], add_special_tokens=False)["input_ids"] == [
            token for token in row["baseline"]["token_ids"] if token != model.tokenizer.eos_token_id
        ]
        assert last_box(row["forced"]["answer_text"]) == problem.answer
        assert last_box(row["altered"]["answer_text"]) == str(int(problem.answer) + 7)
    assert (
        sum(last_box(found["empty"][p.problem_id]["answer_text"]) == p.answer for p in problems)
        <= 6
    )
