"""A study killed at seeded random moments, and resumed, ends with the same bytes.

docs/reliability.md says how to run a longer one.
"""

from faults import fault_run


def test_nothing_is_lost_or_doubled_whatever_hits_the_run(tmp_path):
    found = fault_run(tmp_path / "run", kills=30, seed=1)
    print(found)
    assert sum(found["hits"].values()) == 30
    assert found["hits during generation with rows on disk"] >= 3
    assert found["ends equal to an undisturbed run"] >= 1
