"""Checks of a model's folder that need no model library."""

import json

import pytest

from cotsieve.ground.faults import BadInput
from cotsieve.study.check import _check_template

WHERE = "models.r1.style.prompt"


def test_a_chat_needs_a_template(tmp_path):
    with pytest.raises(BadInput) as caught:
        _check_template(WHERE, tmp_path)
    assert f"{WHERE}: there is no chat template in {tmp_path}" in str(caught.value)
    assert "prompt: raw" in str(caught.value)


@pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_template_is_found_in_either_place(name, tmp_path):
    (tmp_path / name).write_text(json.dumps({"chat_template": "{{ messages }}"}))
    _check_template(WHERE, tmp_path)
