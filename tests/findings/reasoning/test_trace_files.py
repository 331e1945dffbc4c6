"""Traces written in the form of that study are read back as they were."""

import pyarrow as pa
import pytest

from cotsieve.findings.merge import MERGED
from cotsieve.findings.reasoning.trace_files import export_traces, read_trace_file
from cotsieve.ground.faults import BadInput
from cotsieve.problems.problem import PROBLEMS

CONDITIONS = {
    "baseline": None,
    "nothing": {"reasoning": "empty"},
    "done": {"reasoning": "finished"},
    "forced": {"reasoning": "empty", "answer": "forced"},
}
ROW = {"sweep": "s", "problem_id": "p_0", "source": "toy", "sample": 0, "finish_reason": "stop"}
WRITTEN = "Two and two.\n</think>\n\nIt is \\boxed{4}."


def merged() -> pa.Table:
    rows = [ROW | {"condition": name, "text": "It is 4."} for name in CONDITIONS if name]
    rows[0] |= {"text": WRITTEN}
    rows.append(rows[0] | {"sample": 1, "text": "Two and", "finish_reason": "length"})
    rows.append(rows[0] | {"sample": 2, "text": None, "finish_reason": "failed"})
    return pa.Table.from_pylist(rows, schema=MERGED)


def exported(folder) -> list[str]:
    problems = pa.Table.from_pylist(
        [{"problem_id": "p_0", "question": "What is 2+2? "}], schema=PROBLEMS
    )
    return export_traces(
        folder, merged(), problems,
        sweep="s", conditions=CONDITIONS, model="r1", instruction=True, greedy=False,
    )  # fmt: skip


def test_files_are_named_and_read_back(tmp_path):
    stem = "output/reasoning_traces/toy_r1_"
    assert sorted(exported(tmp_path)) == [
        f"{stem}with{name}.jsonl"
        for name in ("R_sampling_0", "R_sampling_1", "outR_empty_sampling_0",
                     "outR_finished_sampling_0")
    ]  # fmt: skip
    (first,) = read_trace_file(tmp_path / f"{stem}withR_sampling_0.jsonl")
    assert first[:2] == ("p_0", "What is 2+2? ")
    assert first[2].finished and first[2].format_ok
    assert first[2].think == "\nTwo and two.\n"
    (cut,) = read_trace_file(tmp_path / f"{stem}withR_sampling_1.jsonl")
    assert not cut[2].finished and cut[2].think == "\nTwo and"
    (done,) = read_trace_file(tmp_path / f"{stem}withoutR_finished_sampling_0.jsonl")
    assert done[2].think == "\nOkay, I think I have finished thinking.\n"
    assert done[2].answer.startswith("It is 4.")


def test_a_bad_row_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"unique_id": "a", "problem": "?"}\n')
    with pytest.raises(BadInput, match=r"row 0.*no text 'response'"):
        list(read_trace_file(path))
