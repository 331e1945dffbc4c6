"""Questions to token ids and back, and the ids that end an answer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cotsieve.ground.faults import BadInput, Finding, bad

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END_TOKENS = (
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|endoftext|>",
    "<|im_end|>",
    "</s>",
    "<｜end▁of▁sentence｜>",
)
"""Tokens that end a text in the families supported, whichever of them a config names."""


VOCABULARIES = ({"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"tokenizer.model"})
"""A tokenizer's folder holds at least one of these sets of files."""

AT_ONCE = 512
"""Texts that are encoded together: while it works, the library holds some 9 kB for each."""


def load_tokenizer(base: Path, trust_remote_code: bool = False) -> "PreTrainedTokenizerBase":
    """The tokenizer in the folder `base`; nothing is downloaded.

    Raises BadInput when its files are missing or damaged, or need code that is not trusted.
    """
    from transformers import AutoTokenizer

    mend = (
        "The folder needs tokenizer.json, or vocab.json and merges.txt, or tokenizer.model: fetch "
        "the model's tokenizer files again."
    )
    names = {path.name for path in Path(base).glob("*")}
    if not trust_remote_code and not any(files <= names for files in VOCABULARIES):
        # Of a GPT-2 folder without them, the library makes an empty tokenizer without complaint.
        raise bad(base, "its tokenizer cannot be loaded (no vocabulary file)", mend)
    try:
        return AutoTokenizer.from_pretrained(
            base, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except Exception as error:  # the tokenizers library raises bare Exception on damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise bad(base, f"its tokenizer cannot be loaded ({reason})", mend) from error


def encode_questions(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, with what the tokenizer itself puts around a text (LLaMA: a begin
    token; GPT-2: nothing).

    Words that look like control tokens (`<|eot_id|>`) are read as ordinary text. Raises BadInput
    naming the texts where the tokenizer makes control tokens of them all the same.
    """
    options = {"split_special_tokens": True, "padding": False, "truncation": False}
    control = _control_ids(tokenizer)
    encoded: list[list[int]] = []
    findings: list[Finding] = []
    for start in range(0, len(texts), AT_ONCE):
        some = list(texts[start : start + AT_ONCE])
        bare = tokenizer(some, add_special_tokens=False, verbose=False, **options)["input_ids"]
        findings += [
            Finding(
                f"question {text[:60]!r}",
                f"the tokenizer turns it into control tokens {sorted(control.intersection(ids))}",
                "Remove the words that spell a control token.",
            )
            for text, ids in zip(some, bare, strict=True)
            if control.intersection(ids)
        ]
        encoded += tokenizer(some, add_special_tokens=True, verbose=False, **options)["input_ids"]
    if findings:
        raise BadInput(findings)
    return encoded


def decode(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> str:
    """The text of `ids`, without control tokens and without clean-up of spaces.

    Ids beyond the tokenizer (CODI's pad, begin and end of thought) have no text and are left out.
    """
    size = len(tokenizer)
    known = [int(token) for token in ids if 0 <= token < size]
    return tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def stop_ids(base: Path, tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
    """Every id that ends a text, ascending.

    The tokenizer, config.json and generation_config.json often name different ones (an instruct
    model's tokenizer ends a turn, its base config ends a document); a checkpoint was trained with
    one of them, so all count, and so do the well-known end tokens in the vocabulary.
    """
    base = Path(base)
    found = {tokenizer.eos_token_id} - {None}
    for name in ("config.json", "generation_config.json"):
        found |= _declared(base / name, len(tokenizer))
    special = {
        str(token): number
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special
    }
    found |= {special[word] for word in END_TOKENS if word in special}
    if not found:
        mend = "Set eos_token_id in config.json."
        raise bad(base, "neither tokenizer nor config names an end-of-sequence token", mend)
    return tuple(sorted(found))


def vocabulary_findings(
    tokenizer: "PreTrainedTokenizerBase", base: Path, rows: int
) -> list[Finding]:
    """What is wrong when the tokenizer does not have exactly `rows` entries.

    CODI numbers its own tokens from the base vocabulary's size on, so they would collide with, or
    leave a gap to, the tokenizer's last id.
    """
    if len(tokenizer) == rows:
        return []
    what = f"its tokenizer has {len(tokenizer)} entries, vocab_size in config.json is {rows}"
    mend = "Use the tokenizer and config of one model, without added tokens."
    return [Finding(str(base), what, mend)]


def _control_ids(tokenizer: "PreTrainedTokenizerBase") -> set[int]:
    control = set(tokenizer.all_special_ids)
    if tokenizer.unk_token_id != tokenizer.eos_token_id:
        control.discard(tokenizer.unk_token_id)  # an unknown character is ordinary text
    return control


def _declared(path: Path, size: int) -> set[int]:
    if not path.is_file():
        return set()
    try:
        value = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError) as error:
        raise bad(path, f"is not a JSON object ({error})", "Fetch the model again.") from None
    ids = value if isinstance(value, list) else [] if value is None else [value]
    for token in ids:
        if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < size:
            what = f"{token!r} is no id of this tokenizer, which has {size}"
            raise bad(f"{path}: eos_token_id", what, "Use the config of the same model.")
    return set(ids)
