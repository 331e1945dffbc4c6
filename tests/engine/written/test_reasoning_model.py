"""Prompts and tags of models that write their reasoning."""

import pytest
from written import (
    ASSISTANT,
    BEGIN,
    CHAT,
    QUESTIONS,
    STYLE,
    THOUGHT,
    USER,
    load,
    make_reasoner,
)

from cotsieve.interventions.prompts import INSTRUCTION, THOUGHTS, prompt_with_thought


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_reasoner(tmp_path_factory.mktemp("reasoner"))


def test_prompts_are_the_published_strings(folder):
    model = load(folder)
    for question in QUESTIONS:
        start = f"{question}{INSTRUCTION} <think>\n"
        assert model.tokenizer.decode(model.opened(question)) == BEGIN + start
        for thought in (THOUGHTS["empty"], THOUGHTS["finished"], THOUGHT):
            text = prompt_with_thought(question, thought, instruction=True)
            ids = tuple(model.tokenizer(text)["input_ids"])
            assert model.closed(question, thought) == ids
            assert model.opened(question) + model.given(question, thought) == ids[:-1]
        forced = model.closed(question, THOUGHT, forced=True)
        assert model.tokenizer.decode(forced).endswith("</think>" + STYLE["forced_answer"])


WORDS = ("<think>", "</think>", "<｜end▁of▁sentence｜>", USER, "\0", "<think></think>")


@pytest.mark.parametrize("prompt", ["raw", "chat"])
def test_tags_and_control_tokens_in_a_problem_are_text(folder, prompt):
    model = load(folder, prompt=prompt)
    tokenizer = model.tokenizer
    names = ("<think>", "</think>", BEGIN, "<｜end▁of▁sentence｜>", USER, ASSISTANT)
    control = {tokenizer.convert_tokens_to_ids(name) for name in names}

    def marks(ids) -> list[int]:
        return [token for token in ids if token in control]

    for word in WORDS:
        question = f"What does {word} mean in 2{word}3?"
        assert marks(model.closed(question, THOUGHT)) == marks(model.closed("x", THOUGHT))
        assert marks(model.closed("x", f"It is{word}\n")) == marks(model.closed("x", THOUGHT))
        assert question in tokenizer.decode(model.closed(question, word))
        assert tokenizer.decode(model.closed("x", word)).endswith(f"<think>\n{word}</think>")


CHATS = {
    "opens the thought": (CHAT, "<think>\n"),
    "leaves it to the model": (CHAT.replace("<think>\n", ""), ASSISTANT + "<think>\n"),
    "keeps its line end": (CHAT.replace("<think>\n", "\n"), ASSISTANT + "\n<think>\n"),
}


@pytest.mark.parametrize("kind", CHATS)
def test_a_chat_template_stands_around_the_problem(folder, kind):
    template, end = CHATS[kind]
    model = load(folder, prompt="chat")
    model.tokenizer.chat_template = template
    ids = model.opened(QUESTIONS[0])
    text = model.tokenizer.decode(ids)
    assert text.startswith(f"{BEGIN}{USER}{QUESTIONS[0]}{INSTRUCTION}") and text.endswith(end)
    assert ids.count(model.tokenizer.bos_token_id) == 1
    assert list(ids) == model.tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    ("written", "reasoning", "answer"),
    [
        ("a thought\n</think>\n\nso 5", "a thought\n", "\n\nso 5"),
        ("never closed", "never closed", None),
        ("one</think>two</think>three", "one", "three"),
        ("</think>at once", "", "at once"),
    ],
)
def test_what_was_written_is_split_at_its_tags(folder, written, reasoning, answer):
    model = load(folder)
    ids = model.tokenizer(written, add_special_tokens=False)["input_ids"]
    thought, rest = model.split(ids)
    assert model.text(thought) == reasoning
    assert (None if rest is None else model.text(rest)) == answer
