from pathlib import Path

from transformers import AutoTokenizer

from cotsieve.interventions.places import first_sentence, placed, placed_tokens, text_ends

ROOT = Path(__file__).resolve().parents[2]
THOUGHT = "That is 27 * 3 = 81.\nSo far ∑ is fine? Über 81 - 5 it is 76.\n\nSo the answer is 76.\n"


def test_sentences_of_tokens_are_those_of_their_text():
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "resources" / "models" / "tiny-reasoner")
    ids = tokenizer(THOUGHT, add_special_tokens=False)["input_ids"]
    found = placed_tokens(ids, tokenizer.decode)
    assert [place[:3] for place in found] == [place[:3] for place in placed(THOUGHT)]
    for place in found:
        before = tokenizer.decode(ids[: place.first_token])
        assert THOUGHT.startswith(before)
        assert len(before) == place.start  # white space between sentences is a token here
        own = tokenizer.decode(ids[place.first_token : place.end_token])
        assert own.strip() == place.text


def test_bytes_of_a_character_end_together():
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "resources" / "models" / "tiny-reasoner")
    ids = tokenizer("a∑b", add_special_tokens=False)["input_ids"]
    assert text_ends(ids, tokenizer.decode)[-4:] == [2, 2, 2, 3]


def test_the_first_sentence_is_found_without_the_rest():
    text = "No. It is so. " + "And so it goes on and on. " * 400
    assert first_sentence(text) == "No. It is so."
    assert first_sentence("Only one</think> answer") == "Only one"
    assert first_sentence(" \n") is None
    long = "word " * 300
    assert first_sentence(f"{long}end. Another one here. And a third one.") == f"{long}end."
