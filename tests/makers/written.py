"""Tiny random models that could write reasoning, their stock twins, and short ways to run them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from make_codi import MERGES
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from cotsieve.engine.loading import load_reasoning_model
from cotsieve.engine.written.model import ReasoningModel
from cotsieve.problems.problem import Problem
from cotsieve.rollouts.recipe import Recipe

BEGIN, END = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
USER, ASSISTANT = "<｜User｜>", "<｜Assistant｜>"
STYLE = {
    "prompt": "raw",
    "instruction": " Please reason step by step, and put your final answer within \\boxed{}.",
    "open": "<think>",
    "close": "</think>",
    "forced_answer": "\n\nThe final answer is \\boxed{",
}
GREEDY = {"max_new_tokens": 12, "temperature": 0.0, "top_p": 1.0, "samples": 1, "seed": 0}
SAMPLED = GREEDY | {"temperature": 0.6, "top_p": 0.95}
CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}<｜User｜>{{ message['content'] }}"
    "{% else %}<｜Assistant｜>{{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}"
)
"""Like that of the R1 distills, which opens the thought."""

EDITS = {
    "full": {"reasoning": "keep"},
    "empty": {"reasoning": "empty"},
    "finished": {"reasoning": "finished"},
    "first_half": {"reasoning": "truncate", "sentences_fraction": 0.5},
    "drop_statement": {"reasoning": "drop-statement"},
    "drop_equation": {"reasoning": "drop-equation"},
    "statement_only": {"reasoning": "statement-only"},
    "alter_statement": {"reasoning": "alter-statement"},
    "alter_all": {"reasoning": "alter-all"},
    "reverse": {"reasoning": "reverse"},
    "mask_digits": {"reasoning": "mask-digits"},
}
"""The golden edits of a thought, as conditions of a study."""
QUESTIONS = (
    "Ann reads 10 pages a day. How long does she need for 120 pages?",
    "Half of 90?",
    "Tom has 3 apples and eats one.  How many are left? ",
    "A box holds 12 pens. How many pens do 7 boxes hold, if two boxes are empty?",
)
THOUGHT = "There are 3 of them. One goes away. So 3 - 1 = 2. The answer is 2.\n"

WINDOW = 16
"""Tokens that a sliding layer of these models sees."""

_MIXED = ["sliding_attention", "full_attention", "sliding_attention"]
_LONG = {"rope_type": "longrope", "rope_theta": 1e4, "original_max_position_embeddings": 64}
_LONG |= {"short_factor": [1.0, 1.5, 2.0, 4.0], "long_factor": [2.0, 3.0, 4.0, 8.0]}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "mistral": {"sliding_window": None},
    "gpt2": {},
    # for the library alone:
    "gemma2": {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": WINDOW},
    "gemma3_text": {"head_dim": 8, "sliding_window": WINDOW, "layer_types": _MIXED},
    "phi3": {},
    "phi3-long": {"rope_parameters": _LONG, "original_max_position_embeddings": 64},
    "olmo2": {},
    "mixtral": {"num_local_experts": 4},
    # with recurrent layers, so that no place can be left out:
    "lfm2": {"layer_types": ["conv", "full_attention", "conv"]},
}
"""Kind of model → what its configuration says besides the sizes."""


def make_reasoner(
    folder: Path,
    family: str = "qwen2",
    positions: int = 512,
    seed: int = 3,
    plain: bool = False,
    padding: int = 0,
) -> Path:
    """Write a random model with its tokenizer, in the form of the R1 distills.

    `plain`: with a tokenizer without tags and without a template that puts its begin token;
    `padding`: rows of its vocabulary beyond the tokenizer.
    """
    vocabulary = (save_plain_tokenizer if plain else _save_tokenizer)(folder) + padding
    config = AutoConfig.for_model(
        family.partition("-")[0],
        vocab_size=vocabulary,
        num_hidden_layers=3,
        hidden_size=32,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        max_position_embeddings=positions,
        tie_word_embeddings=False,
        initializer_range=0.3,
        bos_token_id=vocabulary - padding - (2 if plain else 6),
        eos_token_id=vocabulary - padding - (1 if plain else 5),
        pad_token_id=None,
        **FAMILIES[family],
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    return folder


def _save_tokenizer(folder: Path) -> int:
    words = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(m.replace(" ", "") for m in MERGES)]
    pairs = [tuple(merge.split()) for merge in MERGES]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    control = [AddedToken(word, special=True) for word in (BEGIN, END, USER, ASSISTANT)]
    tokenizer.add_special_tokens(control)
    tags = [AddedToken(word, special=False, normalized=False) for word in ("<think>", "</think>")]
    tokenizer.add_tokens(tags)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END)
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    return len(fast)


PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen's tokenizers part a text: a line end belongs to the sign before it."""


def save_plain_tokenizer(folder: Path, **settings: Any) -> int:
    """A byte-level tokenizer that joins `.</` and `>` with line ends; returns its length.

    `settings` are further keys of its configuration, as R1's distills have `add_bos_token`.
    """
    tokenizer = Tokenizer(models.BPE())
    parts = pre_tokenizers.Split(Regex(PIECES), "isolated")
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([parts, whole])
    tokenizer.decoder = decoders.ByteLevel()
    texts = [f"<think>\nit is{sign}</think>{end}So" for sign in ". )" for end in ("\n", "\n\n")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts * 9, trainer)
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in (BEGIN, END)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END)
    fast.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    told = {"add_bos_token": True, "add_eos_token": False} | settings
    file.write_text(json.dumps(json.loads(file.read_text()) | told))
    return len(fast)


def load(
    folder: Path,
    batch_rows: int | str = 64,
    decoding: Mapping = GREEDY,
    device: str = "cpu",
    **style,
) -> ReasoningModel:
    """The engine on the model in `folder`; `style` are changes to the published style."""
    definition = {"precision": "float32", "style": STYLE | style}
    files = {"model": str(folder)}
    return load_reasoning_model(definition, files, decoding, device=device, batch_rows=batch_rows)


def stock(folder: Path) -> PreTrainedModel:
    """The same model as the library runs it."""
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()


def recipe(decoding: Mapping = GREEDY, **conditions: dict[str, Any]) -> Recipe:
    return Recipe({"baseline": None, **conditions}, {"decoding": dict(decoding)}, "reference")


def problem(number: int, question: str, reasoning: str | None = None, **more) -> Problem:
    about = {"solution": None, "answer": "5", "steps": 0, "stratum": "unknown"} | more
    return Problem(f"made_{number}", "made", number, question, reasoning=reasoning, **about)


def by_key(batches) -> dict[tuple[str, str, int], dict[str, Any]]:
    """(problem, condition, sample) → row; every row must come once."""
    rows = [row for batch in batches for row in batch]
    found = {(row["problem_id"], row["condition"], row["sample"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def without_margins(rows: Mapping) -> dict:
    return {key: row | {"margin": None} for key, row in rows.items()}


@torch.inference_mode()
def written_on(model: PreTrainedModel, tokens: Sequence[int], steps: int, mask=None, hook=None):
    """Greedy tokens after `tokens` without any cache, and the smallest gap on the way.

    `mask(length)` says which of the earlier places each one sees, (length, length) bool.
    `hook(model)` is a context manager that is entered for every pass.
    """
    tokens, gap, written = list(tokens), float("inf"), []
    for _ in range(steps):
        ids = torch.tensor([tokens])
        options = {}
        if mask:
            seen = mask(len(tokens))
            hidden = torch.zeros(seen.shape).masked_fill_(~seen, torch.finfo(torch.float32).min)
            options["attention_mask"] = hidden[None, None]
            options["position_ids"] = torch.arange(len(tokens))[None]
        if hook:
            with hook(model):
                scores = model(ids, use_cache=False, **options).logits[0, -1]
        else:
            scores = model(ids, use_cache=False, **options).logits[0, -1]
        best, places = scores.topk(2)
        gap = min(gap, float(best[0] - best[1]))
        if int(places[0]) == model.config.eos_token_id:
            break
        written.append(int(places[0]))
        tokens.append(written[-1])
    return written, gap
