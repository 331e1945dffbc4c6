"""vLLM behind the engine's interface: what it is told, and what becomes of what it tells."""

import enum
import sys
from math import isnan
from types import ModuleType, SimpleNamespace

import pytest
from written import GREEDY, SAMPLED, STYLE, by_key, make_reasoner, problem, recipe

from cotsieve.engine.library.vllm import VllmEngine, load_vllm_model
from cotsieve.engine.sampling import stream_seed
from cotsieve.engine.written.starts import ReadingEdit, Start, families
from cotsieve.ground.faults import BadInput
from cotsieve.rollouts.written_rows import trace

LENGTHS = (3, 40, 7, 7, 12)


class FakeEngine:
    """Writes tokens that follow from the prompt and the seed; a step ends the last request."""

    def __init__(self, arguments):
        self.arguments, self.waiting, self.asked, self.aborted = arguments, {}, [], []
        self.ending = "stop"

    @classmethod
    def from_engine_args(cls, arguments):
        return cls(arguments)

    def add_request(self, name, prompt, parameters):
        assert name not in self.waiting
        self.waiting[name] = (prompt["prompt_token_ids"], parameters)
        self.asked.append((prompt["prompt_token_ids"], vars(parameters)))

    def abort_request(self, names):
        self.aborted += names
        for name in names:
            del self.waiting[name]

    def step(self):
        running = [self._told(name, False, [], None) for name in list(self.waiting)[:-1]]
        name, (prompt, parameters) = self.waiting.popitem()
        tokens = [(sum(prompt) + (getattr(parameters, "seed", 0) or 0)) % 250, len(prompt)]
        if self.ending == "stop":
            tokens.append(parameters.stop_token_ids[0])
        return [*running, self._told(name, True, tokens, self.ending)]

    def _told(self, name, finished, tokens, reason):
        output = SimpleNamespace(token_ids=tokens, finish_reason=reason)
        return SimpleNamespace(request_id=name, finished=finished, outputs=[output])


@pytest.fixture
def vllm(monkeypatch):
    """A module `vllm` with the little that is used of it."""
    fake, parameters = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    fake.EngineArgs = fake.SamplingParams = SimpleNamespace
    fake.LLMEngine = FakeEngine
    parameters.RequestOutputKind = enum.Enum("RequestOutputKind", ["CUMULATIVE", "FINAL_ONLY"])
    monkeypatch.setitem(sys.modules, "vllm", fake)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", parameters)
    return parameters


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_reasoner(tmp_path_factory.mktemp("model"))


def load(folder, decoding=GREEDY, batch_rows="auto", precision="float32"):
    definition = {"precision": precision, "style": STYLE}
    files = {"model": str(folder)}
    return load_vllm_model(definition, files, decoding, device="cpu", batch_rows=batch_rows)


def starts() -> list[Start]:
    return [
        Start((number, 0), tuple(range(number, number + length)), seed=10 + number)
        for number, length in enumerate(LENGTHS)
    ]


def run(engine: VllmEngine, made: list[Start]) -> dict:
    finished = [row for rows in engine.run(families(made)) for row in rows]
    assert sorted(key for key, _ in finished) == sorted(start.key for start in made)
    return {key: (done.token_ids, done.finish_reason) for key, done in finished}


def test_what_vllm_is_told(vllm, folder):
    model = load(folder, SAMPLED, batch_rows=8, precision="bf16")
    run(model.engine, starts())
    assert vars(model.engine.core.arguments) == {
        "model": str(folder),
        "dtype": "bfloat16",
        "max_model_len": 512,
        "max_num_seqs": 8,
        "enable_prefix_caching": True,
        "skip_tokenizer_init": True,
        "generation_config": "vllm",
        "seed": 0,
    }
    asked = {told["seed"]: (prompt, told) for prompt, told in model.engine.core.asked}
    for start in starts():
        prompt, told = asked[start.seed]
        assert prompt == list(start.tokens)
        assert told == {
            "temperature": 0.6,
            "top_p": 0.95,
            "seed": start.seed,
            "max_tokens": 12,
            "stop_token_ids": sorted(model.engine.how.stop_ids),
            "ignore_eos": True,
            "detokenize": False,
            "output_kind": vllm.RequestOutputKind.FINAL_ONLY,
        }
    greedy = load(folder)
    run(greedy.engine, starts())
    assert all("seed" not in told for _, told in greedy.engine.core.asked)
    assert {told["temperature"] for _, told in greedy.engine.core.asked} == {0.0}


@pytest.mark.parametrize(
    ("ending", "reason", "kept"), [("stop", "stop", 2), ("length", "length", 2)]
)
def test_what_vllm_tells(vllm, folder, ending, reason, kept):
    """The token that ends a row is not part of it; no margin is known."""
    engine = load(folder).engine
    engine.core.ending = ending
    for _, done in (row for rows in engine.run(families(starts())) for row in rows):
        assert (len(done.token_ids), done.finish_reason) == (kept, reason)
        assert isnan(done.margin)


def test_a_row_that_vllm_gives_up_has_failed(vllm, folder):
    engine = load(folder).engine
    engine.core.ending = "abort"
    (_, done), *_ = (row for rows in engine.run(families(starts())) for row in rows)
    assert done.finish_reason == "failed" and "'abort'" in done.error and not done.token_ids


def test_the_order_of_starts_does_not_show(vllm, folder):
    engine = load(folder, SAMPLED).engine
    assert run(engine, starts()) == run(engine, starts()[::-1])


def test_what_is_no_longer_wanted_is_taken_back(vllm, folder):
    engine = load(folder).engine
    rows = engine.run(families(starts()))
    next(rows)
    rows.close()
    assert len(engine.core.aborted) == len(LENGTHS) - 1 and not engine.core.waiting
    run(engine, starts())


@pytest.mark.parametrize(
    "more", [{"unseen": (0, 1)}, {"edit": ReadingEdit((0, "post"), (0, 1), lambda row: row)}]
)
def test_more_than_reading_text_is_refused(vllm, folder, more):
    with pytest.raises(ValueError, match="neither edit"):
        run(load(folder).engine, [Start((0, 0), (1, 2, 3), **more)])


def test_traces_are_rows_like_those_of_the_own_engine(vllm, folder):
    problems = [problem(0, "Half of 90?"), problem(1, "too long " * 400)]
    rows = by_key(trace(load(folder, SAMPLED), recipe(SAMPLED), problems, [0, 1]))
    first = rows["made_0", "baseline", 1]
    assert first["finish_reason"] == "stop" and len(first["token_ids"]) == 2
    assert first["margin"] is None and first["row_key"]
    assert rows["made_1", "baseline", 0]["finish_reason"] == "failed"
    seeds = {stream_seed(0, "made_0", sample, None) for sample in (0, 1)}
    assert len({tuple(rows["made_0", "baseline", s]["token_ids"]) for s in (0, 1)}) == len(seeds)


def test_a_missing_vllm_is_one_plain_sentence(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(BadInput, match=r"vLLM cannot be imported.*pip install vllm"):
        load(folder)
