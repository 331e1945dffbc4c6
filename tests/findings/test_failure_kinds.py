"""Failures by kind."""

from cotsieve.findings.failure_kinds import Failure, kinds


def test_reasons_that_differ_in_their_numbers_are_one_kind():
    failures = [
        Failure("main", condition, f"p_{n}", f"too long: {500 + n} tokens, it has 512 places")
        for n in range(500)
        for condition in ("baseline", "zero")
    ]
    failures += [Failure("main", "zero", "p_1", f"no token '{word}' at 3.5") for word in "abc"]
    first, second = kinds(failures)
    assert first.error == "too long: 500 to 999 tokens, it has 512 places"
    assert first.conditions == ("baseline", "zero")
    assert (first.rollouts, len(first.problem_ids)) == (1000, 500)
    assert second.error == "no token 'a', 'b' … at 3.5" and second.rollouts == 3


def test_other_words_and_other_sweeps_are_other_kinds():
    failures = [
        Failure(sweep, "zero", "p", error) for sweep in ("a", "b") for error in ("x 1", "y 1")
    ]
    assert len(kinds(failures)) == 4
