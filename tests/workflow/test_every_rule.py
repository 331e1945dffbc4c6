"""What a rule has to have, or its results would not know what they are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = {
    found[1]: found[0]
    for file in sorted((ROOT / "workflow/rules").glob("*.smk"))
    for found in re.finditer(r"^rule (\w+):\n(?:(?: .*)?\n)+", file.read_text(), re.M)
    if "    script:" in found[0]
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_tells_its_jobs_their_identity(rule):
    assert f'identity=identity_of("{rule}"' in RULES[rule]


def test_every_script_records_what_it_made():
    for script in (ROOT / "workflow/scripts").glob("*.py"):
        assert "with at_work(snakemake)" in script.read_text(), script.name
