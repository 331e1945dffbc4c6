"""What a draw says when there is less than was asked for."""

import pytest

from cotsieve.findings.dataset.drawing import _report_shortage
from cotsieve.findings.dataset.strata import draw_seeded
from cotsieve.ground.faults import BadInput

ROWS = [{"problem_id": f"p{i}", "stratum": "a", "question": str(i)} for i in range(3)]
SHORT = [
    ({"a": 5}, None, "draw.targets.a: 3 of 5 problems drawn"),
    ({"a": 3}, 500, "draw.total: 3 of 500 problems drawn"),  # its targets are cut to what there is
]


@pytest.mark.parametrize(("targets", "total", "told"), SHORT)
def test_a_shortage_is_told_or_fails(targets, total, told, caplog):
    found = draw_seeded([], ROWS, targets, 0)
    with pytest.raises(BadInput, match=told):
        _report_shortage(found, total, "fail")
    _report_shortage(found, total, "warn")
    assert told in caplog.text


@pytest.mark.parametrize("total", [None, 3])
def test_enough_is_no_shortage(total, caplog):
    _report_shortage(draw_seeded([], ROWS, {"a": 3}, 0), total, "fail")
    assert not caplog.text
