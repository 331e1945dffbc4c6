"""A tokenizer without tag tokens, and without a template for its begin token, in a whole study."""

from pathlib import Path

import torch
from running import json_lines, run, write_study
from test_written_reasoning import reasoning_study, tables
from transformers import Qwen2Config, Qwen2ForCausalLM
from written import save_plain_tokenizer

from cotsieve.findings.merge import MERGED
from cotsieve.ground.tables import read
from cotsieve.weights.tokenizer import load_tokenizer

BOX = "\\boxed{4}"
WRITES = f"y.</think>\n\n{BOX}"


def save_chain(folder: Path) -> None:
    """A model that writes WRITES behind any opened thought: each token has one that follows it."""
    size = save_plain_tokenizer(folder)
    shape = {"hidden_size": 320, "num_attention_heads": 4, "num_key_value_heads": 4}
    shape |= {"num_hidden_layers": 2, "intermediate_size": 8, "max_position_embeddings": 512}
    config = Qwen2Config(vocab_size=size, tie_word_embeddings=False, eos_token_id=size - 1, **shape)
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size, 320))
        model.lm_head.weight.zero_()
        tokenizer = load_tokenizer(folder)
        chain = tokenizer(f">\n{WRITES}", add_special_tokens=False)["input_ids"]
        tag, box = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("</think>", BOX))
        pairs = [*zip(chain, [*chain[1:], size - 1], strict=True), (tag[-1], box[0])]
        for token, following in pairs:
            model.lm_head.weight[following, token] = 1.0
        assert len({token for token, _ in pairs}) == len(pairs)
    model.save_pretrained(folder)


def test_its_thoughts_end_and_its_answers_are_read(tmp_path):
    save_chain(tmp_path / "model")
    rows = [{"q": "2+2?", "a": "4"}, {"q": "What is 1+2?", "a": "3"}]
    json_lines(rows, tmp_path / "problems.jsonl")
    source = {"path": "problems.jsonl", "format": "columns"}
    source["columns"] = {"question": "q", "answer": "a"}
    sweeps = {"written": {"conditions": {"empty": {"reasoning": "empty"}}}}
    decoding = {"max_new_tokens": 40}
    study = reasoning_study(tmp_path / "model", source, sweeps=sweeps, decoding=decoding)
    write_study(tmp_path, study)
    told = run(tmp_path, *tables("merged/tiny.parquet"))
    assert "begins with <｜begin▁of▁sentence｜>, once, as add_bos_token says" in str(told)
    found = read(tmp_path / "results/words/merged/tiny.parquet", MERGED).to_pylist()
    baseline = [row for row in found if row["condition"] == "baseline"]
    assert [row["text"] for row in baseline] == [WRITES] * 2
    assert [row["answer_text"] for row in baseline] == [f"\n\n{BOX}"] * 2
    assert [row["verdict"] for row in baseline] == ["correct", "incorrect"]
    assert all(row["finish_reason"] == "stop" for row in found)
