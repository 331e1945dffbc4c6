"""Prompts and responses of models that reason between think tags, as plain text.

The prompts are those of "From Reasoning to Answer" (Zhang et al. 2025, microsoft/ACV): raw text
without a chat template, in which the thought may be given instead of generated. The tokenizer adds
the begin token.
"""

from pathlib import PurePosixPath
from typing import NamedTuple

from cotsieve.answers.thinking import CLOSE, END, OPEN
from cotsieve.ground.faults import bad

INSTRUCTION = " Please reason step by step, and put your final answer within \\boxed{}."
"""Follows the problem where the option is on: MATH-500 yes, WildBench no."""
THOUGHTS = {
    "with": None,
    "empty": "\n",
    "finished": "Okay, I think I have finished thinking.\n",
    "default": "\n",  # the study has the empty thought under two names
}
"""Mode → what stands in the think block; None leaves it open for the model to fill."""

THOUGHT_ANCHORS = (
    "Solve this math problem step by step. You MUST put your final answer in \\boxed{}. Problem: ",
    " Solution: \n",
)
"""What stands before and behind the problem in "Thought Anchors" (arXiv 2506.19143)."""


class Reasoning(NamedTuple):
    """A response taken apart at its tags."""

    finished: bool
    """It ends with the end token."""
    format_ok: bool
    """It has exactly one closing tag."""
    think: str
    """From behind the first opening tag to the first closing tag after it, or to the end."""
    answer: str
    """All behind the last closing tag, the end token included; empty without one."""


def raw_prompt(problem: str, mode: str, instruction: bool) -> str:
    """The prompt of a problem, byte for byte as in the study; nothing is stripped.

    `mode` is "with" (the model thinks), or "empty", "finished" or "default" (the thought is given;
    the answer starts right behind the closing tag). Raises BadInput for another mode.
    """
    if mode not in THOUGHTS:
        raise bad(f"mode {mode!r}", "there is no such mode", f"Use one of {', '.join(THOUGHTS)}.")
    return prompt_with_thought(problem, THOUGHTS[mode], instruction)


def prompt_with_thought(problem: str, thought: str | None, instruction: bool) -> str:
    """The prompt of a problem with a given thought, which brings its own line end.

    None leaves the think block open. The line end behind the opening tag is written here; the
    thought that `split_response` finds in a whole response begins with it.
    """
    start = f"{problem}{INSTRUCTION if instruction else ''} {OPEN}\n"
    return start if thought is None else f"{start}{thought}{CLOSE}"


def split_response(
    text: str, think_open: str = OPEN, think_close: str = CLOSE, eos: str = END
) -> Reasoning:
    """Take apart a response: prompt and continuation, special tokens included.

    Without the opening tag the thought starts where the text starts, as in a continuation of a
    prompt that ends with it; without both tags there is no thought. A line end behind the end token
    makes a response unfinished.
    """
    if think_open not in text and think_close not in text:
        return Reasoning(text.endswith(eos), False, "", "")
    start = text.find(think_open) + len(think_open) if think_open in text else 0
    end = text.find(think_close, start)
    return Reasoning(
        finished=text.endswith(eos),
        format_ok=text.count(think_close) == 1,
        think=text[start:].removesuffix(eos) if end < 0 else text[start:end],
        answer=text.rpartition(think_close)[2] if think_close in text else "",
    )


def trace_file(
    dataset: str, model: str, mode: str, greedy: bool, selected_cases: bool, run_index: int
) -> str:
    """Where the study's script writes its traces; `model` is a path or a hub repository."""
    words = [dataset, PurePosixPath(model).name, "withR" if mode == "with" else "withoutR"]
    words += [mode] if mode in ("empty", "finished") else []
    words += ["greedy" if greedy else "sampling"]
    words += ["selected_cases_run"] if selected_cases else []
    return f"output/reasoning_traces/{'_'.join([*words, str(run_index)])}.jsonl"
