"""Paired shares: published intervals, exact tests, and what is told of them."""

import pytest

from cotsieve.findings.necessity.net_effect import balance, doubt, require_net
from cotsieve.findings.paired import Paired
from cotsieve.ground.faults import BadInput


def test_the_interval_is_that_of_the_paper():
    """Newcombe 1998, method 10, 36, 12, 2 and 0 pairs."""
    found, low, high = Paired(36, 12, 2, 0).difference, 0.0569, 0.3404
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)
    back = Paired(36, 12, 2, 0).change
    assert (back.low, back.high) == pytest.approx((-high, -low), abs=6e-5)


@pytest.mark.parametrize("counts", [(5, 0, 0, 0), (0, 0, 0, 9), (0, 7, 0, 0), (1, 0, 0, 1)])
def test_at_the_edges_the_interval_holds_the_difference(counts):
    found = Paired(*counts).difference
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_seven_of_1200_right_is_no_finding():
    """Six break, six are right only when ablated: 85.7 % of the right ones, and nothing."""
    net = Paired(1, 6, 6, 1187)
    assert net.p == 1.0 and not net.has_net
    assert balance(net).startswith("6 break, 6 right only under it: +0.0 points")
    assert balance(net).endswith("p = 1.000")
    assert "nothing shows" in doubt(net)
    rows = [
        {"stratum": "s", "source": "s", "needs_cot": one and not two}
        | {"baseline_verdict": right[one], "ablated_verdict": right[two]}
        for right in [{True: "correct", False: "incorrect"}]
        for one, two, count in ((1, 1, 1), (1, 0, 6), (0, 1, 6), (0, 0, 1187))
        for _ in range(count)
    ]
    with pytest.raises(BadInput, match=r"draw\.require\.net.*6 break, 6 right only under it"):
        require_net(rows, "zero", "Draw by another.")
    require_net(rows[:-1194], "zero", "")


def test_little_is_told_as_little():
    assert "Chance" in doubt(Paired(1, 4, 0, 9))
    assert doubt(Paired(1, 40, 3, 9)) is None
    assert doubt(Paired(0, 0, 3, 9)) is None  # nothing was right: told in other words
