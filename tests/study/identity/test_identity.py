"""Every file that decides what a model writes counts, and no other does."""

from pathlib import Path

import pytest

from cotsieve.study.identity.ingredients import model_identity
from cotsieve.study.settings.models import ReasoningModel


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("config.json", True),
        ("tokenizer.json", True),
        ("chat_template.jinja", True),
        ("generation_config.json", True),
        ("model.safetensors", True),
        ("README.md", False),
        ("optimizer.pt", False),
    ],
)
def test_what_counts_of_a_folder(tmp_path: Path, name: str, counts: bool) -> None:
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_text("{}")
    model = ReasoningModel(family="reasoning", model=str(tmp_path))
    before = model_identity(model)
    (tmp_path / name).write_text("another")
    assert (model_identity(model) != before) is counts
