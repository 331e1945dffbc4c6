"""Rows of AM-DeepSeek-R1-Distilled: a conversation of a user and an assistant that thinks aloud."""

from collections.abc import Mapping

from cotsieve.problems.cells import NoAnswer, Row, RowFault, cell, shown

AM = ("messages",)


def am_row(record: Mapping[str, object]) -> Row:
    """A row of AM-DeepSeek-R1-Distilled (Zhao et al. 2025).

    The question is the user's message, the solution what the assistant answers behind its
    thinking. A system's message may stand first; it is not put to a model. Only rows with a
    reference answer can be used: test cases of programs are not run.
    """
    asked, answered = _message(record, 0, "user"), _message(record, 1, "assistant")
    about, said = _info(asked), _info(answered)
    reference = about.get("reference_answer")
    return Row(
        question=cell(asked, "content"),
        solution=said.get("answer_content"),
        answer=reference,
        answer_is="text",
        reasoning=said.get("think_content"),
        fault=_fault(reference, about.get("test_case")),
    )


def _fault(reference: object, test_case: object) -> NoAnswer | None:
    if reference is not None:
        return None
    mend = "Leave the row out, or set bad_rows to record."
    if any(test_case.values()) if isinstance(test_case, Mapping) else test_case:
        return NoAnswer("it has a test_case instead of an answer; programs are not run", mend)
    return NoAnswer("it has no reference_answer", mend)


def _message(record: Mapping[str, object], place: int, role: str) -> Mapping[str, object]:
    messages = cell(record, "messages")
    if isinstance(messages, list) and len(messages) in (2, 3):
        first = messages[0]
        system = isinstance(first, Mapping) and first.get("role") == "system"
        message = messages[place + system] if len(messages) == 2 + system else None
        if isinstance(message, Mapping) and message.get("role") == role:
            return message
    what = f"messages are {shown(messages)}, not a user's and an assistant's"
    raise RowFault(what, "Write one message of each, the user's first.")


def _info(message: Mapping[str, object]) -> Mapping[str, object]:
    info = message.get("info")
    return info if isinstance(info, Mapping) else {}
