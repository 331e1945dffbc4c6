"""What interventions write: drawn from the problem and the seed, never from the batch."""

from types import SimpleNamespace

import pytest
import torch
from tiny import ALL, load
from torch import Tensor

from cotsieve.engine.latent.edits import Batch, Edits, Recorder, Reference
from cotsieve.engine.latent.vocabulary import Vocabulary
from cotsieve.engine.latent.vocabulary_edits import vocabulary_change
from cotsieve.ground.faults import BadInput
from cotsieve.interventions.thoughts import Intervention

HIDDEN, SITE = 8, (1, "resid_post")
IDS = [f"p{number}" for number in range(20)]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference([f"r{n}" for n in range(5)], {SITE: random(5, 6, HIDDEN, seed=1)})


def written(
    what: Intervention, ids: list[str], thought: int = 0, reference: Reference | None = None
) -> dict[str, Tensor]:
    """What an intervention makes of the same activation in every problem."""
    batch = Batch(ids, reference)
    edit = Edits([None, what], batch, 6).during(thought)
    stream = random(1, 1, HIDDEN).expand(len(ids), 2, -1)
    changed = edit(*SITE, stream)
    assert changed[:, 0].equal(stream[:, 0])
    return dict(zip(ids, changed[:, 1], strict=True))


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(first[name].equal(second[name]) for name in first.keys() & second.keys())


@pytest.mark.parametrize("operation", ["noise", "resample", "mean"])
def test_draws_depend_on_the_problem_and_the_seed_only(operation: str, reference: Reference):
    what = Intervention(operation, 1, ALL, seed=4)
    whole = written(what, IDS, reference=reference)
    assert same(whole, written(what, IDS[::-1], reference=reference))
    for name in IDS[:5]:
        assert same(whole, written(what, [name], reference=reference))
    if operation != "mean":
        assert len({tuple(vector.tolist()) for vector in whole.values()}) > 3
        other_seed = Intervention(operation, 1, ALL, seed=5)
        assert not same(whole, written(other_seed, IDS, reference=reference))
    assert not same(whole, written(what, IDS, thought=1, reference=reference))


def test_donors_are_reference_problems_other_than_the_problem():
    reference = Reference(IDS, {})
    for seed in range(20):
        for name, donor in zip(IDS, reference.donors(IDS, seed), strict=True):
            assert IDS[donor] != name


def test_a_resampled_problem_gets_all_thoughts_of_one_donor(reference: Reference):
    what = Intervention("resample", 1, ALL)
    (donor,) = reference.donors(["p3"], what.seed)
    for thought in range(6):
        found = written(what, ["p3"], thought, reference)["p3"]
        assert found.equal(reference.activations[SITE][donor, thought])


def test_the_mean_is_that_of_the_thought(reference: Reference):
    found = written(Intervention("mean", 1, ALL), ["p3"], 2, reference)["p3"]
    torch.testing.assert_close(found, reference.activations[SITE][:, 2].mean(0))


def test_noise_is_scaled_by_the_activation_or_absolutely():
    stream = random(1, 1, HIDDEN)[0, 0]
    for units, unit in (("relative", stream.square().mean().sqrt()), ("absolute", 1.0)):
        one, two = (
            written(Intervention("noise", 1, ALL, scale=scale, units=units), ["p"])["p"] - stream
            for scale in (1.0, 2.0)
        )
        torch.testing.assert_close(two, 2 * one)
        many = written(Intervention("noise", 1, ALL, units=units), [str(n) for n in range(500)])
        spread = (torch.stack(list(many.values())) - stream).std()
        assert spread.item() == pytest.approx(float(unit), rel=0.1)


def test_frozen_thoughts_get_the_baseline_and_free_ones_nothing():
    stream = random(3, 3, HIDDEN)
    free = Intervention("zero", 1, (2,))
    frozen = Intervention("zero", 1, (2,), rest="frozen")
    edits = Edits([None, free, frozen], Batch(IDS[:3]), 6)
    hit, other = edits.during(2)(*SITE, stream), edits.during(4)(*SITE, stream)
    assert not hit[:, 1:].any()
    assert other[:, 1].equal(stream[:, 1])
    assert other[:, 2].equal(stream[:, 0])
    assert Edits([None, free], Batch(IDS[:3]), 6).during(4) is None


def test_only_the_site_is_touched():
    stream = random(3, 2, HIDDEN)
    edit = Edits([None, Intervention("zero", 1, ALL)], Batch(IDS[:3]), 6).during(0)
    for site in ((0, "resid_post"), (1, "resid_pre"), (2, "resid_post"), (-1, "pre_projection")):
        assert edit(*site, stream) is stream


def test_scope_seed_also_writes_the_first_vector_over_the_prompt(reference: Reference):
    what = Intervention("mean", 1, (0, 1), scope="seed")
    stream = random(2, 2, HIDDEN)
    changed = Edits([None, what], Batch(IDS[:2], reference), 6).on_prompt(*SITE, stream)
    assert changed[:, 0].equal(stream[:, 0])
    assert changed[:, 1].equal(reference.mean(SITE)[0].expand(2, -1))
    assert Edits([None, Intervention("zero", 1, ALL)], Batch(IDS[:2]), 6).on_prompt is None


def test_a_thought_without_the_activation_is_recorded_as_no_number():
    recorder = Recorder({SITE}, 3)
    for thought in (1, 2):
        recorder.during(thought)(*SITE, torch.full((2, 1, HIDDEN), float(thought)))
    found = recorder.activations()[SITE]
    assert found[:, 0].isnan().all()
    assert found[:, 1:, 0].tolist() == [[1, 2], [1, 2]]


@pytest.fixture(scope="module")
def vocabulary(made) -> Vocabulary:
    return load(made).engine.vocabulary


def changed(vocabulary: Vocabulary, hidden: Tensor, operation: str, **options) -> Tensor:
    what = Intervention(operation, -1, ALL, "pre_projection", **options)
    return vocabulary_change(what, vocabulary, lambda lead: None)(hidden)


def test_hidden_states_read_as_tokens(vocabulary: Vocabulary):
    """Properties of the formulas; that they are the published ones the golden outputs show."""
    hidden = random(6, 32)
    embedding = vocabulary.embed(vocabulary.top(hidden)[0])
    lengths = hidden.norm(dim=-1)

    removed = changed(vocabulary, hidden, "remove")
    torch.testing.assert_close((removed * embedding).sum(-1), torch.zeros(6), atol=1e-5, rtol=0)
    on_one = changed(vocabulary, hidden, "project")
    torch.testing.assert_close(removed + on_one, hidden)
    for operation in ("discretize", "discretize_norm"):
        kept = changed(vocabulary, hidden, operation).norm(dim=-1)
        torch.testing.assert_close(kept, lengths)
    on_five = changed(vocabulary, hidden, "project", top=5)
    nearest = vocabulary.nearest(hidden, 5)[0]
    across = ((hidden - on_five)[:, None] * nearest).sum(-1)
    torch.testing.assert_close(across, torch.zeros(6, 5), atol=1e-4, rtol=0)
    rescaled = changed(vocabulary, hidden, "project", top=5, rescale=True)
    torch.testing.assert_close(rescaled.norm(dim=-1), lengths)
    plain = changed(vocabulary, hidden, "replace", token="5", strength=0.0)
    torch.testing.assert_close(plain, removed)


def test_numbers_are_tokens_that_begin_with_a_digit(vocabulary: Vocabulary):
    five = vocabulary._tokenizer.encode("5", add_special_tokens=False)[0]
    letter = vocabulary._tokenizer.encode("x", add_special_tokens=False)[0]
    assert vocabulary.numbers[five] and five in vocabulary.number_ids
    assert not vocabulary.numbers[letter] and letter not in vocabulary.number_ids
    assert not vocabulary.numbers[-3:].any()


def test_a_text_of_several_tokens_is_refused(vocabulary: Vocabulary):
    with pytest.raises(BadInput, match="single token"):
        changed(vocabulary, random(1, 32), "replace", token="5 apples")


class Words:
    """A tokenizer of whole words."""

    def __init__(self, words: list[str]):
        self.words = words

    def __len__(self) -> int:
        return len(self.words)

    def get_vocab(self) -> dict[str, int]:
        return {word: token for token, word in enumerate(self.words)}

    def decode(self, ids: list[int], **_options: object) -> str:
        return "".join(self.words[token] for token in ids)


def test_a_blank_may_stand_before_a_number():
    """GPT-2 has tokens like " 42"; more blanks count where an answer ends, not where it is read."""
    words = Words(["5", " 42", "\n7", "  8", "a5", "-3", "", " "])
    decoder = SimpleNamespace(head=torch.zeros(len(words) + 3, 1), device="cpu")
    vocabulary = Vocabulary(decoder, words)
    assert vocabulary.numbers.nonzero().flatten().tolist() == [0, 1, 2]
    assert vocabulary.number_ids == {0, 1, 2, 3}
