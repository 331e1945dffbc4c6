"""Language models in the forms they are found in run as the transformers library runs them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from written import QUESTIONS, load, make_reasoner, stock, written_on

from cotsieve.engine.written.starts import Start, families
from cotsieve.weights.architecture import read_architecture
from cotsieve.weights.check import checked_headers
from cotsieve.weights.layout import weight_files
from cotsieve.weights.tokenizer import entries


def resave(folder: Path, change) -> None:
    file = folder / "model.safetensors"
    state = {name: tensor.clone() for name, tensor in change(load_file(file)).items()}
    save_file(state, file, metadata={"format": "pt"})


def tie(folder: Path) -> None:
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"tie_word_embeddings": True}))


def bare(state: dict) -> dict:
    """The names of the first GPT-2, whose output layer is the embedding."""
    stems = ("transformer.", "model.")
    names = {name: name.removeprefix(stems[0]).removeprefix(stems[1]) for name in state}
    return {short: state[name] for name, short in names.items() if name != "lm_head.weight"}


FORMS = {
    "without a prefix": lambda folder: (tie(folder), resave(folder, bare)),
    "tied, with an output layer of its own": tie,
    "tied": lambda folder: (
        tie(folder),
        resave(folder, lambda state: {k: t for k, t in state.items() if k != "lm_head.weight"}),
    ),
}


@pytest.mark.parametrize("family", ["gpt2", "qwen2"])
@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_run_as_the_library_runs_it(form: str, family: str, tmp_path):
    folder = make_reasoner(tmp_path, family)
    FORMS[form](folder)
    assert checked_headers(weight_files(folder), read_architecture(folder))
    model, library = load(folder), stock(folder)
    for question in QUESTIONS[:2]:
        tokens = model.opened(question)
        ((_, done),) = [
            row for rows in model.engine.run(families([Start((0, 0), tokens)])) for row in rows
        ]
        wanted, gap = written_on(library, tokens, 12)
        assert gap > 1e-4 and list(done.token_ids) == wanted


def test_rows_beyond_the_tokenizer_are_never_written(tmp_path):
    """Padding of a vocabulary has no text, however likely the model finds it."""
    folder = make_reasoner(tmp_path, padding=40)
    size = entries(load(folder).tokenizer)

    def loud(state: dict) -> dict:
        state["lm_head.weight"][size:] = 50 * torch.randn_like(state["lm_head.weight"][size:])
        return state

    resave(folder, loud)
    model, library = load(folder), stock(folder)
    tokens = model.opened(QUESTIONS[0])
    assert max(written_on(library, tokens, 12)[0]) >= size
    rows = model.engine.run(families([Start((0, 0), tokens)]))
    ((_, done),) = [row for some in rows for row in some]
    assert done.token_ids and max(done.token_ids) < size
