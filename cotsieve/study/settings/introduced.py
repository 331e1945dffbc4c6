"""What every key that results are remembered by stood for when it was introduced.

Results remember of a study only what differs from this. So a key that is new since a result was
made counts as what it stood for at first, and another default is another value. A new key with a
default gets its line here; no line is ever changed, or old results would be taken for new ones.
"""

from typing import Any

INTRODUCED: dict[str, dict[str, Any]] = {
    "Condition": {
        "layer": None,
        "component": "resid_post",
        "thoughts": "all",
        "rest": "free",
        "scope": "latent",
        "read": "same",
        "scale": 1.0,
        "units": "relative",
        "seed": 0,
        "activations": "self",
        "where": "all",
        "top": 1,
        "rescale": False,
        "token": None,
        "strength": 3.0,
    },
    "TextCondition": {
        "reasoning": "keep",
        "fraction": None,
        "sentences": None,
        "sentences_fraction": None,
        "answer": "free",
        "attention": "open",
        "filler": "dots",
        "seed": 0,
    },
    "Decoding": {
        "max_new_tokens": 256,
        "stop_at": "eos",
        "temperature": 0.0,
        "top_p": 1.0,
        "samples": 1,
        "seed": 0,
    },
    "Lora": {
        "rank": None,
    },
    "Model": {
        "family": "codi",
        "revision": None,
        "base_revision": None,
        "thoughts": 6,
        "prompt_style": "codi-eval",
        "remove_eos": True,
        "collapse_spaces": None,
        "precision": "float32",
        "decoding": None,
        "sieve": None,
    },
    "Style": {
        "prompt": "raw",
        "instruction": " Please reason step by step, and put your final answer within \\boxed{}.",
        "open": "<think>",
        "close": "</think>",
        "forced_answer": "\n\nThe final answer is \\boxed{",
        "lead": "\n",
        "template": {},
    },
    "ReasoningModel": {
        "revision": None,
        "traces": "own",
        "writer": "own",
        "precision": "float32",
        "anchors_from": None,
        "decoding": None,
        "sieve": None,
    },
    "Grading": {
        "grader": "numbers",
        "tolerance": 0.01,
    },
    "Require": {
        "net": None,
    },
    "Draw": {
        "targets": None,
        "total": None,
        "method": "seeded",
        "seed": 42,
        "on_shortage": "warn",
    },
    "Strata": {
        "by": "steps",
        "parts": 4,
    },
    "About": {
        "license": None,
        "creator": None,
        "language": None,
        "url": None,
        "date": None,
        "citation": None,
    },
    "PublishTraces": {
        "choose": "shortest",
        "per_problem": 1,
        "seed": 0,
        "least_tokens": 0,
    },
    "Quality": {
        "model": None,
        "positions": None,
        "exploratory": 0.015625,
        "against": [],
    },
}
"""Part of a study → key → plain value; keys that are parts themselves have their own lines."""
