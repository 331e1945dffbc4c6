"""Questions become the ids the original code used, and ids become its text."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from make_codi import MadeCodi, make_codi
from written import save_plain_tokenizer

from cotsieve.ground.faults import BadInput
from cotsieve.weights.tokenizer import (
    begin_ids,
    decode,
    encode_questions,
    load_tokenizer,
    stop_ids,
)


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    folder = shared / "golden" / "codi_llama_tiny"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    return folder


@pytest.fixture(scope="module")
def records(golden: Path) -> list[dict]:
    return json.loads((golden / "expected.json").read_text())["records"]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeCodi:
    return make_codi(tmp_path_factory.mktemp(request.param), request.param, layers=1)


def test_golden_prompts_and_texts(golden: Path, records: list[dict]):
    tokenizer = load_tokenizer(golden / "base")
    encoded = encode_questions(tokenizer, [record["question"] for record in records])
    assert encoded == [record["prompt_token_ids"] for record in records]
    outcomes = [
        outcome
        for record in records
        for group in ("seed", "latent_only", "codi_eval", "pre_projection")
        for outcome in record[group].values()
        if "text" in outcome
    ]
    assert len(outcomes) > 1000
    for outcome in outcomes:
        assert decode(tokenizer, outcome["token_ids"]) == outcome["text"]


def test_words_that_spell_control_tokens_stay_words(golden: Path):
    tokenizer = load_tokenizer(golden / "base")
    question = "Stop <|eot_id|> or <|begin_of_text|>?"
    (ids,) = encode_questions(tokenizer, [question])
    assert ids[0] == 508 and not {508, 509, 510, 511}.intersection(ids[1:])
    assert decode(tokenizer, ids) == question


def test_what_stands_around_a_question(made: MadeCodi):
    tokenizer = load_tokenizer(made.base)
    plain, tricky = encode_questions(tokenizer, ["the ten", "the <|endoftext|><|eot_id|>"])
    begin = [tokenizer.bos_token_id] if made.family == "llama" else []
    assert plain[: len(begin)] == begin
    assert not set(plain[len(begin) :] + tricky[len(begin) :]) & set(tokenizer.all_special_ids)
    assert decode(tokenizer, tricky) == "the <|endoftext|><|eot_id|>"
    assert encode_questions(tokenizer, []) == []


def test_ids_without_text_are_left_out(made: MadeCodi):
    tokenizer = load_tokenizer(made.base)
    (ids,) = encode_questions(tokenizer, [" the answer , 10 ."])
    size = len(tokenizer)
    mixed = [size, *ids, size + 1, tokenizer.eos_token_id, size + 2, -1]
    assert decode(tokenizer, mixed) == " the answer , 10 ."
    assert decode(tokenizer, []) == decode(tokenizer, [size + 1]) == ""


def test_vocabulary_and_merges_without_a_tokenizer_file(tmp_path: Path):
    """The oldest layout of GPT-2: vocab.json and merges.txt."""
    made = make_codi(tmp_path, "gpt2", layers=1)
    model = json.loads((made.base / "tokenizer.json").read_text())["model"]
    vocabulary = model["vocab"] | {"<|endoftext|>": len(model["vocab"])}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    (tmp_path / "config.json").write_bytes((made.base / "config.json").read_bytes())
    old, new = load_tokenizer(tmp_path), load_tokenizer(made.base)
    texts = ["the answer is 10", "<|endoftext|> no"]
    assert encode_questions(old, texts) == encode_questions(new, texts)
    assert stop_ids(tmp_path, old) == stop_ids(made.base, new)


def test_golden_end_tokens(golden: Path):
    assert stop_ids(golden / "base", load_tokenizer(golden / "base")) == (509, 511)


def test_every_end_token_counts(made: MadeCodi, tmp_path: Path):
    tokenizer = load_tokenizer(made.base)
    ends = [tokenizer.convert_tokens_to_ids(w) for w in ("<|end_of_text|>", "<|eot_id|>")]
    expected = set(ends) if made.family == "llama" else {tokenizer.eos_token_id}
    assert stop_ids(tmp_path, tokenizer) == tuple(sorted(expected))
    (tmp_path / "config.json").write_text('{"eos_token_id": [9, 7]}')
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": 5}')
    assert stop_ids(tmp_path, tokenizer) == tuple(sorted(expected | {5, 7, 9}))


@pytest.mark.parametrize("text", ['{"eos_token_id": 9999}', '{"eos_token_id": "x"}', "[]", "{"])
def test_unusable_end_tokens_are_refused(text: str, made: MadeCodi, tmp_path: Path):
    (tmp_path / "generation_config.json").write_text(text)
    with pytest.raises(BadInput, match=r"generation_config\.json"):
        stop_ids(tmp_path, load_tokenizer(made.base))


@pytest.mark.parametrize("damage", ["absent", "torn"])
def test_a_folder_without_a_tokenizer_is_named(damage: str, made: MadeCodi, tmp_path: Path):
    (tmp_path / "config.json").write_bytes((made.base / "config.json").read_bytes())
    if damage == "torn":
        (tmp_path / "tokenizer.json").write_bytes((made.base / "tokenizer.json").read_bytes()[:99])
        settings = (made.base / "tokenizer_config.json").read_bytes()
        (tmp_path / "tokenizer_config.json").write_bytes(settings)
    with pytest.raises(BadInput, match=r"tokenizer cannot be loaded.*fetch") as caught:
        load_tokenizer(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("told", [True, False, None])
def test_the_begin_token_is_put_as_the_configuration_says(told: bool | None, tmp_path: Path):
    """Without a template in tokenizer.json, and as versions before 5 of the library did."""
    save_plain_tokenizer(tmp_path, add_bos_token=told, tokenizer_class="LlamaTokenizerFast")
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    tokenizer = load_tokenizer(tmp_path)
    assert begin_ids(tokenizer) == ((tokenizer.bos_token_id,) if told else ())
    (ids,) = encode_questions(tokenizer, ["2+2?"])
    assert ids.count(tokenizer.bos_token_id) == bool(told) and tokenizer.eos_token_id not in ids


def test_a_tokenizer_model_alone_names_what_it_needs(tmp_path: Path):
    (tmp_path / "tokenizer.model").write_bytes(b"")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    absent = find_spec("sentencepiece") is None
    with pytest.raises(BadInput, match="sentencepiece" if absent else "cannot be loaded"):
        load_tokenizer(tmp_path)
