from cotsieve.report.facts.grader_check import disagreements


def test_rows_on_which_graders_differ():
    rows = [
        {"problem_id": "a", "text": r"</think>\boxed{\frac{10}{5}}", "answer": "2"},
        {"problem_id": "b", "text": r"</think>\boxed{3}", "answer": "2"},
        {"problem_id": "c", "text": "2", "answer": "2"},
    ]
    first, second = disagreements(rows, ["numbers", "math", "r2a"])
    assert (first["problem_id"], second["problem_id"]) == ("a", "c")
    verdicts = {grader: graded.verdict for grader, graded in first["graded"].items()}
    assert verdicts == {"numbers": "correct", "math": "correct", "r2a": "incorrect"}
    assert [graded.prediction for graded in second["graded"].values()] == ["2", None, None]
