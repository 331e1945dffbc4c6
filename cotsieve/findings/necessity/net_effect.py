"""What an ablation does on balance, in words: how many answers it breaks, and how many it wins.

Of answers that are right now and then, some are always right only without the ablation, and as many
only under it. So a share of broken answers is a finding only beside the reverse.
"""

from collections.abc import Iterable, Mapping

from cotsieve.findings.necessity.judging import rates
from cotsieve.findings.paired import Paired, shown_p
from cotsieve.ground.faults import bad

CHANCE = 0.05
"""From this p on a difference is told to be one that chance makes."""


def balance(net: Paired) -> str:
    """Such as "141 break, 1 right only under it: -70.0 points (-76.0 to -63.2), p < 0.001"."""
    if not net.total:
        return "nothing was graded under both"
    value, low, high = (f"{100 * part:+.1f}" for part in net.change)
    p = shown_p(net.p)
    told = f"p {p}" if p.startswith("<") else f"p = {p}"
    turned = f"{net.first_only:,} break, {net.second_only:,} right only under it"
    return f"{turned}: {value} points ({low} to {high}), {told}"


def doubt(net: Paired) -> str | None:
    """What to mind where the balance shows little or nothing; None where it shows something."""
    if not net.first.count:  # no answer could break, and that is told in other words
        return None
    if not net.has_net:
        return (
            "No more answers break than are right only under the ablation, so nothing shows that "
            "these problems need their chain of thought."
        )
    if net.p >= CHANCE:
        return "Chance alone makes so small a difference often."
    return None


def require_net(rows: Iterable[Mapping], condition: str, mend: str) -> None:
    """Raise BadInput unless more of the NECESSITY rows are right only at baseline than only under
    the ablation."""
    (found,) = rates(rows)
    if not found.net.has_net:
        what = f"the ablation '{condition}' has no net effect: {balance(found.net)}"
        raise bad("draw.require.net", what, mend)
