"""Where a row may depend on its batch, the size of the batch is part of what it is known by."""

import pytest
from studies import MINIMAL, changed

from cotsieve.study.identity import ingredients as identity
from cotsieve.study.settings.reading import read_study


@pytest.mark.parametrize(
    ("precision", "counts"),
    [("float32", False), ("exact", False), ("tf32", True), ("bf16", True), ("fp16", True)],
)
def test_the_batch_counts_in_narrow_formats_only(monkeypatch, precision: str, counts: bool):
    monkeypatch.setattr(identity, "_content", lambda spec, *_: {"repository": spec})
    model = read_study(changed("models tiny precision", precision, MINIMAL)).models["tiny"]
    small, large = (identity.model_identity(model, rows) for rows in (8, 512))
    assert (small != large) == counts


def test_the_batch_may_be_left_to_the_machine():
    study = read_study(changed("engine", {"batch_rows": "auto"}, MINIMAL))
    assert study.engine.batch_rows == "auto"
