"""Thoughts end at their closing tag, whatever tokens it falls into."""

import random

import pytest
from tokenizers import AddedToken
from written import STYLE, make_reasoner, save_plain_tokenizer

from cotsieve.engine.written.model import ReasoningModel, ReasoningStyle
from cotsieve.weights.tokenizer import load_tokenizer

ENDS = ("", "\n", "\n\n", " ", "**", ".")
SIGNS = ("", ".", " .", ")", "}", "\n", "é", "😀")


def model_with(tokenizer, **style) -> ReasoningModel:
    """Without an engine: it can ask and read, not write."""
    return ReasoningModel(None, None, tokenizer, ReasoningStyle(**STYLE | style))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    save_plain_tokenizer(folder)
    return load_tokenizer(folder)


def ids_of(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("tokens", ["one", "several"])
def test_a_thought_ends_before_any_sign_and_line_end(tokens: str, plain, tmp_path):
    tokenizer = plain if tokens == "several" else load_tokenizer(make_reasoner(tmp_path))
    model = model_with(tokenizer)
    for thought in (f"It is 17{sign}" for sign in SIGNS):
        for answer in (f"{end}So \\boxed{{17}}" for end in ENDS):
            found = model.read(ids_of(tokenizer, f"{thought}</think>{answer}"))
            assert (model.text(found.reasoning), model.text(found.answer)) == (thought, answer)
            assert (found.text, found.answer_text) == (f"{thought}</think>{answer}", answer)
    joined = tokenizer.tokenize("17.</think>\n\n")
    assert (".</" in joined and ">ĊĊ" in joined) == (tokens == "several")


def test_a_tag_is_found_in_all_its_tokenisations(plain):
    """Whatever a model writes, tokens that no tokenizer would choose included."""
    model, dice = model_with(plain), random.Random(3)
    words = (".", "<", "</think>", "\n", " ", "think", ">", "😀", "é", "ab", "</", "1")
    for _ in range(400):
        text = "".join(dice.choice(words) for _ in range(dice.randint(1, 12)))
        cuts = sorted(dice.sample(range(len(text) + 1), dice.randint(0, min(4, len(text)))))
        parts = zip([0, *cuts], [*cuts, len(text)], strict=True)
        found = model.read([i for a, b in parts for i in ids_of(plain, text[a:b])])
        assert found.text == text and found.closings == text.count("</think>")
        if found.closings:
            assert model.text(found.reasoning) == text.split("</think>")[0]
            assert model.text(found.answer) == text.rpartition("</think>")[2]
        else:
            assert found.answer is None and model.text(found.reasoning) == text


WRITTEN = {
    "one thought": ("a</think>b", "a", "b", 1),
    "closed twice": ("a</think>b</think>c", "a", "c", 2),
    "two thoughts": ("a</think>b<think>c</think>d", "a", "d", 2),
    "the tag in an answer": ("a</think>write `</think>` there", "a", "` there", 2),
    "opened once more": ("<think>\na</think>b", "<think>\na", "b", 1),
    "never ended": ("a</thin", "a</thin", None, 0),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_counts_as_thought_and_answer(kind: str, plain):
    text, thought, answer, closings = WRITTEN[kind]
    model = model_with(plain)
    found = model.read(ids_of(plain, text))
    assert (model.text(found.reasoning), found.answer_text) == (thought, answer)
    assert (found.text, found.closings) == (text, closings)


HARMONY = ("<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>")


@pytest.mark.parametrize(
    ("control", "opening", "closing", "lead"),
    [
        (("[THINK]", "[/THINK]"), "[THINK]", "[/THINK]", ""),
        (
            HARMONY,
            "<|channel|>analysis<|message|>",
            "<|end|><|start|>assistant<|channel|>final<|message|>",
            "",
        ),
    ],
    ids=["Magistral", "gpt-oss"],
)
def test_tags_of_control_tokens_are_seen_in_the_text(control, opening, closing, lead, tmp_path):
    save_plain_tokenizer(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    tokenizer.add_tokens([AddedToken(word, special=True) for word in control])
    model = model_with(tokenizer, open=opening, close=closing, lead=lead)
    assert tokenizer.decode(model.closed("2?", "a")).endswith(f" {opening}a{closing}")
    asked = f"What is {closing}?"
    assert tokenizer.decode(model.opened(asked)).count(closing) == 1
    ids = ids_of(tokenizer, closing)
    assert not any(list(model.opened(asked)[i:][: len(ids)]) == ids for i in range(99))
    for text, thought, answer in (
        (f"ab{closing}c", "ab", "c"),
        (f"ab{closing}c1{closing}c2", "ab", "c2"),
    ):
        written = [*ids_of(tokenizer, text), tokenizer.eos_token_id]
        found = model.read(written)
        assert (model.text(found.reasoning), found.answer_text) == (thought, answer)
        assert found.text == text and found.closings == text.count(closing)


@pytest.mark.parametrize("prompt", ["raw", "chat"])
def test_prompts_are_read_as_the_whole_text_is(prompt: str, plain):
    """With one begin token, which this tokenizer.json does not put by itself."""
    plain.chat_template = "{{ bos_token }}Q: {{ messages[0].content }}\nA:"
    model = model_with(plain, prompt=prompt)
    around = {"raw": ("", " "), "chat": ("Q: ", "\nA:")}[prompt]
    start = f"{around[0]}2+2?{STYLE['instruction']}{around[1]}<think>\n"
    for text, ids in (
        (start, model.opened("2+2?")),
        (f"{start}It is.</think>", model.closed("2+2?", "It is.")),
        (f"{start}x\n</think>{STYLE['forced_answer']}", model.closed("2+2?", "x\n", True)),
    ):
        assert list(ids) == [plain.bos_token_id, *ids_of(plain, text)]
    assert plain.bos_token_id not in model.opened(plain.bos_token)[1:]
