"""Traces and ablations of written reasoning equal the golden outputs."""

import json
from pathlib import Path

import pytest
from written import (
    EDITS,
    GREEDY,
    by_key,
    load,
    problem,
    recipe,
)

from cotsieve.answers.graders import predict
from cotsieve.engine.written.starts import Start, families
from cotsieve.interventions.prompts import THOUGHTS, prompt_with_thought
from cotsieve.rollouts.given_reasoning import stored_trace
from cotsieve.rollouts.written_rows import ablate, trace


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "r2a"


@pytest.mark.parametrize("batch_rows", [1, 7, 64])
@pytest.mark.parametrize("name", ["tiny-qwen2", "tiny-llama"])
def test_golden_greedy_traces(golden, name, batch_rows):
    prompts = {
        (row["unique_id"], row["mode"], row["with_math_instruction"]): row["raw_problem"]
        for row in lines(golden / "prompts" / "prompts.jsonl")
    }
    rows = [row for row in lines(golden / "traces" / "greedy.jsonl") if row["model"] == name]
    decoding = GREEDY | {"max_new_tokens": 24}
    compared = 0
    for instructed in (True, False):
        style = {} if instructed else {"instruction": ""}
        model = load(golden / "models" / name, batch_rows, decoding, **style)
        chosen = [row for row in rows if row["with_math_instruction"] == instructed]
        starts = []
        for number, row in enumerate(chosen):
            question = prompts[row["unique_id"], row["mode"], instructed]
            thought = THOUGHTS[row["mode"].removeprefix("withoutR_").replace("withR", "with")]
            given = model.opened(question) if thought is None else model.closed(question, thought)
            assert list(given) == row["prompt_token_ids"]
            starts.append(Start((number, 0), given))
        waiting = [family for start in starts for family in families([start])]
        for (number, _), done in (row for batch in model.engine.run(waiting) for row in batch):
            if chosen[number]["min_top2_margin_fp32"] >= 1e-3:
                compared += 1
                assert list(done.token_ids) == chosen[number]["new_token_ids_fp32"]
    assert compared == sum(row["min_top2_margin_fp32"] >= 1e-3 for row in rows) >= 18


@pytest.mark.parametrize("batch_rows", [1, 64])
def test_golden_ablations(golden, batch_rows):
    expected = {
        (row["unique_id"], row["condition"]): row
        for row in lines(golden / "ablation" / "results.jsonl")
    }
    asked = [
        problem(
            number, row["question"], expected[row["unique_id"], "full"]["think"],
            answer=row["final_answer"],
        )
        for number, row in enumerate(lines(golden / "ablation" / "problems.jsonl"))
    ]  # fmt: skip
    ids = [f"copy/{number:03}" for number in range(len(asked))]
    model = load(golden / "models" / "tiny-copy", batch_rows, GREEDY | {"max_new_tokens": 24})
    end = model.tokenizer.eos_token_id
    how = recipe(**EDITS)
    baseline = by_key(trace(model, how, asked, [0], given=True))
    stored = [
        stored_trace(model, item, baseline[item.problem_id, "baseline", 0], given=True)
        for item in asked
    ]
    rows = by_key(ablate(model, how, stored, {}))
    assert len(rows) == len(expected) == len(asked) * len(EDITS)
    for item, unique in zip(asked, ids, strict=True):
        for name in EDITS:
            row, golden_row = rows[item.problem_id, name, 0], expected[unique, name]
            prompt = prompt_with_thought(item.question, golden_row["think"], instruction=True)
            assert prompt == golden_row["prompt"]
            tokens = model.closed(item.question, golden_row["think"])
            assert len(tokens) == golden_row["n_prompt_tokens"]
            assert tokens == tuple(model.tokenizer(prompt)["input_ids"])
            assert row["prompt_tokens"] + row["thought_tokens"] == len(tokens)
            assert row["token_ids"] == [
                token for token in golden_row["new_token_ids"] if token != end
            ]
            assert (row["finish_reason"] == "stop") == golden_row["finished"]
            read = predict("r2a", "</think>" + row["answer_text"])
            assert read == (golden_row["extracted_answer"] or None)
        same = baseline[item.problem_id, "baseline", 0]
        full = rows[item.problem_id, "full", 0]
        for key in ("token_ids", "answer_text", "thought_tokens", "answer_tokens"):
            assert same[key] == full[key]
