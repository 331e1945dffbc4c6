"""Hidden sentences change what the golden runs say, and cost what follows them."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from written import make_reasoner, stock

from cotsieve.engine.decoder import Decoder
from cotsieve.engine.inside.published_kl import Kept, kept_kl, kept_scores, published_kl
from cotsieve.engine.inside.suppression import Suppression, divergence
from cotsieve.engine.loading import lean_decoder
from cotsieve.findings.inside.effects import effects, normalised
from cotsieve.ground.faults import BadInput

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def golden(shared, tmp_path_factory) -> tuple[dict, np.lib.npyio.NpzFile, Decoder]:
    folder = shared / "golden/thought_anchors/whitebox"
    told = json.loads((folder / "model_a.json").read_text())
    made = tmp_path_factory.mktemp("model_a")
    weights = np.load(folder / "model_a.npz")
    save_file({name: torch.from_numpy(weights[name]) for name in weights.files},
              made / "model.safetensors")  # fmt: skip
    kind = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    (made / "config.json").write_text(json.dumps(kind | told["config"]))
    return told, np.load(folder / "suppression_a.npz"), lean_decoder(made, CPU, torch.float32)


def test_dense_matrices_equal_the_golden_ones(golden):
    _, stored, model = golden
    bounds = stored["bounds"].tolist()
    text = Suppression(model, stored["input_ids"].tolist(), temperature=0.6, rows=4)
    found = text.divergences(bounds).numpy()
    np.testing.assert_allclose(found.T, stored["dense_kl_tokens"], atol=1e-4)
    matrix = effects(found, bounds)
    told, after = stored["dense_matrix_log"], np.tri(len(bounds), dtype=bool)
    np.testing.assert_allclose(matrix[after], told[after], atol=1e-3)
    # Above it nothing can change; the golden run has rounding there, about 1e-12 nats.
    np.testing.assert_allclose(matrix[~after], told[~after], atol=1e-2)
    assert (matrix[~after] == np.log(1e-9)).all()
    whole = len(bounds) * len(stored["input_ids"])
    assert text.tokens_read <= 0.75 * whole  # the sentences are few, and begin late


def test_the_published_form_equals_the_golden_one(golden):
    _, stored, _ = golden
    base, bounds = torch.from_numpy(stored["base_logits"]), stored["bounds"].tolist()
    masked = torch.from_numpy(stored["masked_logits"])
    found = published_kl(base, masked, 0.6).numpy()
    matrix = effects(found, bounds)
    apart = np.abs(matrix - stored["matrix_log"])
    assert apart.max() <= 5e-2
    np.testing.assert_allclose(effects(found, bounds, log=False), stored["matrix_nolog"], rtol=5e-2)
    first = effects(found, bounds, first_tokens=2)
    assert np.abs(first - stored["matrix_log_first2"]).max() <= 5e-2
    np.testing.assert_allclose(
        normalised(stored["matrix_log"]), stored["matrix_normalised"], atol=1e-6
    )


def test_chosen_heads_alone_are_blind(golden):
    told, stored, model = golden
    chosen = told["partial_mask"]
    heads = torch.zeros(3, 4, dtype=torch.bool)
    heads[chosen["layer"], chosen["heads"]] = True
    sentence = stored["bounds"][chosen["sentence"]].tolist()
    text = Suppression(model, stored["input_ids"].tolist(), heads=heads)
    base, masked = (torch.from_numpy(stored[f"{k}_logits"]) for k in ("base", "partial_mask"))
    wanted = divergence(base, masked[None], 1.0)
    torch.testing.assert_close(text.divergences([sentence]), wanted, atol=1e-5, rtol=1e-3)


def test_scores_are_kept_as_published(shared):
    stored = np.load(shared / "golden/thought_anchors/whitebox/logit_kl.npz")
    base, changed = (torch.from_numpy(stored[f"{side}_logits"][0]) for side in ("base", "supp"))
    for share, most in {(name.split("_")[0], name.split("_")[1]) for name in stored.files
                        if name[0] == "p"}:  # fmt: skip
        sides = []
        for side, scores in (("base", base), ("supp", changed)):
            key = f"{share}_{most}_{side}"
            kept = [kept_scores(one, 0.6, float(share[1:]), int(most[1:])) for one in scores]
            offsets = np.cumsum([0, *(len(one.ids) for one in kept)])
            assert offsets.tolist() == stored[f"{key}_offsets"].tolist()
            assert torch.cat([k.ids for k in kept]).tolist() == (
                stored[f"{key}_flat_indices"].tolist()
            )
            told = stored[f"{key}_cum_probs_retained"]
            assert [k.share for k in kept] == pytest.approx(told.tolist(), abs=1e-5)
            sides.append(kept)
        found = [kept_kl(p, q, 0.6) for p, q in zip(*sides, strict=True)]
        assert found == pytest.approx(stored[f"{share}_{most}_kl"].tolist(), rel=1e-4)
    dense = divergence(base, changed[None], 0.6)[0]
    np.testing.assert_allclose(dense, stored["kl_dense_float64"], rtol=1e-4)


def test_sparse_divergences_equal_the_golden_ones(shared):
    file = shared / "golden/thought_anchors/whitebox/sparse_kl_cases.json"
    for case in json.loads(file.read_text()):
        sides = [
            Kept(torch.tensor(case[f"{side}_indices"]).long(),
                 torch.tensor(case[f"{side}_logits"]).half(), 1.0)
            for side in "pq"
        ]  # fmt: skip
        wanted = float("nan") if case["kl"] is None else case["kl"]
        found = kept_kl(*sides, case["temperature"])
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-6, nan_ok=True), case["name"]


def test_a_sentence_nobody_sees_changes_nothing(tmp_path):
    """The last tokens of a text are followed by none."""
    model = lean_decoder(make_reasoner(tmp_path), CPU, torch.float32)
    tokens = torch.arange(60).mul(7).remainder(250).tolist()
    found = Suppression(model, tokens).divergences([(30, 30), (59, 60)])
    assert (found[0] == 0).all()
    assert (found[1, :59] == 0).all()
    with pytest.raises(BadInput, match="first token"):
        Suppression(model, tokens).divergences([(0, 5)])


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2"])
def test_equals_a_mask_in_the_library(family, tmp_path):
    folder = make_reasoner(tmp_path, family)
    tokens = torch.arange(50).mul(7).remainder(250)
    seen = torch.ones(50, 50, dtype=torch.bool).tril()
    library = stock(folder)
    scores = []
    for first, last in ((0, 0), (12, 20), (20, 21)):
        hidden = seen.clone()
        hidden[:, first:last] = False
        mask = torch.zeros(50, 50).masked_fill_(~hidden, torch.finfo(torch.float32).min)
        with torch.inference_mode():
            scores.append(library(tokens[None], attention_mask=mask[None, None]).logits[0])
    model = lean_decoder(folder, CPU, torch.float32)
    found = Suppression(model, tokens.tolist()).divergences([(12, 20), (20, 21)])
    told = divergence(scores[0], torch.stack(scores[1:]), 1.0)
    torch.testing.assert_close(found, told, atol=1e-5, rtol=1e-3)
