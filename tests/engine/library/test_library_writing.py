"""Models that the library runs write what they write alone, without a cache, in the library."""

import contextlib
import json
import shutil
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from starts import lone, relatives, run, starts, tokens
from transformers import AutoConfig, AutoModelForCausalLM
from written import FAMILIES, GREEDY, SAMPLED, WINDOW, load, make_reasoner, stock, written_on

from cotsieve.engine.library import engine as library_writing
from cotsieve.engine.library.engine import LibraryEngine
from cotsieve.engine.written import engine as writing
from cotsieve.engine.written.reading_edits import ReadingReference, ReferenceText
from cotsieve.engine.written.starts import ReadingEdit, Start, families
from cotsieve.ground.faults import BadInput
from cotsieve.weights import outline
from cotsieve.weights.architecture import Architecture

LEAN = ("llama", "qwen2", "qwen3", "mistral", "gpt2")
OTHERS = [name for name in FAMILIES if name not in LEAN]
BATCHED = ["gemma2", "gemma3_text", "olmo2", "mixtral"]


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    return cache(lambda family: make_reasoner(tmp_path_factory.mktemp(family), family))


def equal_where_certain(found: dict, wanted: dict, least: int) -> None:
    """Tokens equal those of (tokens, gap) where no choice was close; so it is for most rows."""
    certain = [key for key, (_, gap) in wanted.items() if gap >= 1e-3]
    assert len(certain) >= least
    assert {k: list(found[k][0]) for k in certain} == {k: wanted[k][0] for k in certain}


@pytest.mark.parametrize("family", ["qwen3", "mistral"])
def test_the_lean_decoder_runs_the_current_families(make, family):
    model, library = load(make(family), 4), stock(make(family))
    assert isinstance(model.architecture, Architecture)
    made = [*starts(), Start((90, 0), tokens(40), unseen=(5, 31))]
    wanted = {s.key: written_on(library, s.tokens, 12, hidden(s)) for s in made}
    equal_where_certain(run(model, lone(made)), wanted, 6)


@pytest.mark.parametrize("family", OTHERS)
def test_equals_the_library(make, family):
    """Greedy, rows of mixed length in batches of 4, against `generate` on each alone."""
    model, library = load(make(family), 4), stock(make(family))
    assert isinstance(model.engine, LibraryEngine)
    made = starts((70, 121, 90, 66)) if family == "phi3-long" else starts()
    wanted = {}
    for start in made:
        told = library.generate(
            torch.tensor([start.tokens]),
            max_new_tokens=GREEDY["max_new_tokens"],
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        ids = told.sequences[0, len(start.tokens) :].tolist()
        pairs = [scores[0].topk(2).values for scores in told.logits]
        wanted[start.key] = ids, min(float(best - next_) for best, next_ in pairs)
    stop = library.config.eos_token_id
    wanted = {
        k: (ids[: ids.index(stop)] if stop in ids else ids, g) for k, (ids, g) in wanted.items()
    }
    equal_where_certain(run(model, lone(made)), wanted, 2 * len(made) // 3)


def test_short_texts_turn_by_the_factors_for_short_texts(make, monkeypatch):
    """One set of rotations serves a study; longer texts than it is for are refused row by row."""
    monkeypatch.setattr(outline, "TYPICAL_PROMPT", 0)
    model, library = load(make("phi3-long"), 4), stock(make("phi3-long"))
    short = [start for start in starts() if len(start.tokens) <= 64 - 12]
    wanted = {s.key: written_on(library, s.tokens, 12) for s in short}
    equal_where_certain(run(model, lone(short)), wanted, 5)
    assert "the model has 64 positions" in model.too_long(tokens(53))
    assert model.too_long(tokens(52)) is None


@pytest.mark.parametrize("family", [*BATCHED, "phi3-long"])
def test_members_of_a_family_write_as_if_alone(make, family):
    groups = [relatives(0), relatives(1, 120)]
    model = load(make(family), 64)
    alone = run(load(make(family), 1), lone([start for group in groups for start in group]))
    assert run(model, groups) == alone
    assert model.engine.tokens_read < sum(len(s.tokens) for g in groups for s in g) / 1.5


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("family", ["gemma2", "mixtral"])
def test_a_batch_that_is_refilled_equals_rows_alone(make, family, decoding):
    """More starts than rows, written for longer than one look at the queue and any window."""
    decoding = decoding | {"max_new_tokens": 70}
    found = run(load(make(family), 4, decoding), lone(starts()))
    assert found == run(load(make(family), 1, decoding), lone(starts()))
    assert found == run(load(make(family), 16, decoding), lone(starts())[::-1])
    assert max(len(ids) for ids, _ in found.values()) == 70 > 4 * WINDOW


def test_the_seed_of_a_row_decides_its_text(make):
    same = [Start((0, place), tokens(20), seed=place) for place in range(6)]
    found = run(load(make("gemma2"), 8, SAMPLED), [same])
    assert len({ids for ids, _ in found.values()}) == 6
    again = [Start((0, place), tokens(20), seed=3) for place in range(3)]
    written = {ids for ids, _ in run(load(make("gemma2"), 8, SAMPLED), [again]).values()}
    assert written == {found[0, 3][0]}


def hidden(start: Start, window: int | None = None):
    """The mask of what each place sees, (length, length) bool."""
    if not start.unseen and not window:
        return None

    def mask(length: int) -> torch.Tensor:
        seen = torch.ones(length, length).tril().bool()
        first, last = start.unseen or (0, 0)
        seen[last:, first:last] = False
        return seen & torch.ones(length, length).triu(1 - window).bool() if window else seen

    return mask


@torch.inference_mode()
def written_behind_masks(model, start: Start, steps: int):
    """Greedy tokens without a cache; each kind of layer gets its mask over the whole text."""
    ids, written, gap = list(start.tokens), [], float("inf")
    for _ in range(steps):
        kinds = {"full_attention": None, "sliding_attention": WINDOW}
        masks = {}
        for kind, window in kinds.items():
            seen = hidden(start, window)(len(ids))
            least = torch.finfo(torch.float32).min
            masks[kind] = torch.zeros(seen.shape).masked_fill_(~seen, least)[None, None]
        whole = getattr(model.config, "layer_types", None) is None
        scores = model(
            torch.tensor([ids]),
            attention_mask=masks["full_attention"] if whole else masks,
            position_ids=torch.arange(len(ids))[None],
            use_cache=False,
        ).logits[0, -1]
        best, places = scores.topk(2)
        gap = min(gap, float(best[0] - best[1]))
        if int(places[0]) == model.config.eos_token_id:
            break
        written.append(int(places[0]))
        ids.append(written[-1])
    return written, gap


@pytest.mark.parametrize("family", BATCHED)
def test_hidden_places_are_hidden_from_all_that_follows(make, family):
    trunk = tokens(40)
    group = [
        Start((0, 0), trunk + tokens(8, 1)),
        Start((0, 1), trunk, unseen=(5, 36)),
        Start((0, 2), trunk + tokens(3, 2), unseen=(3, 38)),
        Start((0, 3), trunk[:30]),
        Start((0, 4), trunk, unseen=(0, 35)),
    ]
    found = run(load(make(family)), [group])
    library = stock(make(family))
    wanted = {s.key: written_behind_masks(library, s, 12) for s in group if s.unseen}
    equal_where_certain(found, wanted, 2)
    assert found[0, 1] != run(load(make(family)), [[Start((0, 1), trunk)]])[0, 1]
    assert found == run(load(make(family), 1), lone(group))


@contextlib.contextmanager
def rewritten(block: int, side: str, span: tuple[int, int], change, model):
    """What an independent reader of the library would do at one block, in every pass."""
    layer = model.model.layers[block]

    def write(residual):
        residual = residual.clone()
        residual[:, slice(*span)] = change(residual[0, slice(*span)])
        return residual

    if side == "resid_pre":
        handle = layer.register_forward_pre_hook(lambda _, given: (write(given[0]), *given[1:]))
    else:
        handle = layer.register_forward_hook(lambda _, __, output: write(output))
    with contextlib.ExitStack() as stack:
        stack.callback(handle.remove)
        yield


@pytest.mark.parametrize(
    ("family", "site"),
    [
        ("gemma2", (0, "resid_pre")),
        ("gemma2", (1, "resid_post")),
        ("gemma3_text", (1, "resid_pre")),
        ("phi3", (0, "resid_post")),
        ("lfm2", (0, "resid_pre")),
    ],
)
def test_edits_equal_hooks_in_the_library(make, family, site):
    changes = {"zero": torch.zeros_like, "turn": lambda row: -2 * row.flip(0)}
    made, wanted, library = [], {}, stock(make(family))
    for place, (change, length) in enumerate([("zero", 31), ("turn", 47), ("turn", 20)]):
        span = (4, length - 3)
        edit = ReadingEdit(site, span, changes[change])
        made.append(Start((place, 0), tokens(length, place), edit=edit))
        hook = partial(rewritten, *site, span, changes[change])
        wanted[place, 0] = written_on(library, made[-1].tokens, 12, hook=hook)
    made.append(Start((3, 0), tokens(33, 3)))
    wanted[3, 0] = written_on(library, made[-1].tokens, 12)
    found = run(load(make(family)), lone(made))
    equal_where_certain(found, wanted, 3)
    plain = run(load(make(family)), lone([Start(s.key, s.tokens) for s in made]))
    assert all((found[key] == plain[key]) == (key == (3, 0)) for key in found)


@pytest.mark.parametrize("family", ["qwen2", "gemma2"])
def test_activations_are_those_of_the_library(make, family):
    """The means and single activations that edits are made from, to the last block's output."""
    model = load(make(family))
    texts = [ReferenceText(str(n), tokens(20 + n, n), 4, 15) for n in range(3)]
    sites = {(1, "resid_pre"), (2, "resid_post")}
    found = ReadingReference(model.engine.decoder, texts, averaged=sites, kept=sites)
    with torch.inference_mode():
        streams = [
            stock(make(family))(torch.tensor([text.tokens]), output_hidden_states=True)
            for text in texts
        ]
    inputs = torch.stack([stream.hidden_states[1][0, 4:15] for stream in streams])
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-4)
    close(found.mean((1, "resid_pre")), inputs.flatten(0, 1).mean(0))
    close(found.of((1, "resid_pre"), 2), inputs[2])
    assert found.of((2, "resid_post"), 0).shape == (11, 32)


class Cramped:
    """A library decoder with memory for so many tokens at once."""

    def __init__(self, decoder, places: int):
        self._decoder, self._places, self.failures = decoder, places, 0

    def __getattr__(self, name):
        return getattr(self._decoder, name)

    def _checked(self, made, rows: int, length: int):
        if rows * length > self._places:
            self.failures += 1
            raise torch.OutOfMemoryError("not enough memory, says the test")
        return made()

    def read(self, given, lengths, edit=None):
        return self._checked(lambda: self._decoder.read(given, lengths, edit), *given.shape)

    def feed(self, given, state):
        return self._checked(lambda: self._decoder.feed(given, state), *state.seen.shape)

    def step(self, given, state):
        return self._checked(lambda: self._decoder.step(given, state), *state.seen.shape)


def test_running_out_of_memory_changes_no_row(make):
    expected = run(load(make("gemma2"), 1, SAMPLED), lone(starts()))
    model = load(make("gemma2"), 64, SAMPLED)
    model.engine.decoder = cramped = Cramped(model.engine.decoder, 140)
    assert run(model, lone(starts())) == expected
    assert cramped.failures
    model.engine.decoder = Cramped(cramped._decoder, 60)
    finished = dict(row for rows in model.engine.run(groups_of(starts())) for row in rows)
    failed = {key for key, done in finished.items() if done.finish_reason == "failed"}
    assert failed == {s.key for s in starts() if len(s.tokens) == 64}
    assert all("memory" in finished[key].error for key in failed)
    assert all(finished[k].token_ids == ids for k, (ids, _) in expected.items() if k not in failed)


def groups_of(made):
    return [family for start in made for family in families([start])]


@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_tokens_that_are_settled_alone_are_the_same(make, decoding, monkeypatch):
    groups = [[Start((0, 0), tokens(40)), Start((0, 1), tokens(40), unseen=(3, 30), seed=1)]]
    groups += [relatives(7)[:4]]
    expected = run(load(make("gemma2"), 64, decoding), groups)
    monkeypatch.setattr(writing, "NEAR_TIE", 1e9)
    monkeypatch.setattr(writing, "NEAR_EDGE", 1e9)
    model = load(make("gemma2"), 64, decoding)
    assert run(model, groups) == expected
    assert model.engine.settled >= sum(len(ids) for ids, _ in expected.values())


def test_margins_are_the_closest_call(make):
    start = starts()[0]
    _, gap = written_on(stock(make("olmo2")), start.tokens, 12)
    (done,) = [d for rows in load(make("olmo2")).engine.run(groups_of([start])) for _, d in rows]
    assert done.margin == pytest.approx(gap, abs=1e-4)


def test_recurrent_models_read_one_row_at_a_time(make):
    model = load(make("lfm2"), 64)
    assert model.engine.batch_rows == 1 and not model.architecture.batched
    with pytest.raises(ValueError, match="cannot be kept from seeing"):
        run(model, [[Start((0, 0), tokens(20), unseen=(3, 9))]])


def damage(folder: Path, to: Path, change) -> Path:
    shutil.copytree(folder, to, dirs_exist_ok=True)
    weights = load_file(to / "model.safetensors")
    change(weights)
    save_file(weights, to / "model.safetensors", {"format": "pt"})
    return to


NORM, DOWN = (
    "model.layers.1.post_feedforward_layernorm.weight",
    "model.layers.2.mlp.down_proj.weight",
)
DAMAGES = {
    "absent": (
        lambda w: (w.pop(NORM), w.pop(DOWN)),
        [f"{NORM}: is missing", f"{DOWN}: is missing"],
    ),
    "misshapen": (
        lambda w: w.update({DOWN: torch.zeros(3, 2)}),
        [f"{DOWN}: has shape (3, 2); expected (32, 48)"],
    ),
    "not finite": (lambda w: w[DOWN].fill_(torch.nan), [f"{DOWN}: has values that are not finite"]),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_weights_that_cannot_be_used_are_listed(make, tmp_path, case):
    change, told = DAMAGES[case]
    with pytest.raises(BadInput) as caught:
        load(damage(make("olmo2"), tmp_path, change))
    assert len(caught.value.findings) == len(told)
    assert all(words in str(caught.value) for words in told), caught.value


def test_a_model_that_looks_ahead_is_refused(tmp_path):
    """BERT's own attention goes both ways unless its configuration says that it decodes."""
    make_reasoner(tmp_path)
    size = json.loads((tmp_path / "config.json").read_text())["vocab_size"]
    shape = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4}
    config = AutoConfig.for_model("bert", vocab_size=size, intermediate_size=48, **shape)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="bert: it cannot go on from what it has read"):
        load(tmp_path)


def test_a_model_whose_cache_deceives_is_refused(make, monkeypatch):
    """One that forgets what it has read, as the engine would if the library changed its caches."""
    monkeypatch.setattr(library_writing, "cache_of", lambda layers: None)
    with pytest.raises(BadInput, match="scored otherwise than at once"):
        load(make("olmo2"))
