"""Questions to token ids and back, and the ids that end an answer."""

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
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

SENTENCEPIECE = ("sentencepiece", "google.protobuf")
"""Modules that reading a `tokenizer.model` takes; where they are missing the library tells of
another one."""

AT_ONCE = 512
"""Texts that are encoded together: while it works, the library holds some 9 kB for each."""


def load_tokenizer(base: Path, trust_remote_code: bool = False) -> "PreTrainedTokenizerBase":
    """The tokenizer in the folder `base`; nothing is downloaded.

    It puts a begin and an end token around a text as `add_bos_token` and `add_eos_token` of its
    configuration say: from version 5 the library leaves them out where `tokenizer.json` exists.

    Raises BadInput when its files are missing or damaged, or need code that is not trusted or
    packages that are not installed.
    """
    from transformers import AutoTokenizer

    mend = (
        "The folder needs tokenizer.json, or vocab.json and merges.txt, or tokenizer.model: fetch "
        "the model's tokenizer files again."
    )
    names = {path.name for path in Path(base).glob("*")}
    kinds = [files for files in VOCABULARIES if files <= names]
    if not trust_remote_code and not kinds:
        # Of a GPT-2 folder without them, the library makes an empty tokenizer without complaint.
        raise bad(base, "its tokenizer cannot be loaded (no vocabulary file)", mend)
    if kinds == [{"tokenizer.model"}]:
        _refuse_without_sentencepiece(Path(base) / "tokenizer.model")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            base, trust_remote_code=trust_remote_code, local_files_only=True
        )
    except Exception as error:  # the tokenizers library raises bare Exception on damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise bad(base, f"its tokenizer cannot be loaded ({reason})", mend) from error
    _put_around(tokenizer, declared_ends(base))
    return tokenizer


def declared_ends(base: Path) -> dict[str, bool]:
    """`add_bos_token` and `add_eos_token` as far as the tokenizer's configuration says them.

    A `tokenizer.model` alone begins its texts, as it did in the library before version 5.
    """
    base = Path(base)
    path = base / "tokenizer_config.json"
    alone = (base / "tokenizer.model").is_file() and not (base / "tokenizer.json").is_file()
    declared: dict[str, bool] = {"add_bos_token": True} if alone else {}
    if path.is_file():
        settings = _json_object(path)
        for key in ("add_bos_token", "add_eos_token"):
            if isinstance(settings.get(key), bool):
                declared[key] = settings[key]
    return declared


def begin_ids(tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
    """What the tokenizer puts before every text: a begin token, or nothing."""
    before, _ = _around(tokenizer)
    return before


def _around(tokenizer: "PreTrainedTokenizerBase") -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids before and behind a text."""
    whole = tokenizer(_PROBE, verbose=False)["input_ids"]
    bare = tokenizer(_PROBE, add_special_tokens=False, verbose=False)["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return tuple(whole[:start]), tuple(whole[start + len(bare) :])
    return (), ()


_PROBE = "a"


def _put_around(tokenizer: "PreTrainedTokenizerBase", declared: dict[str, bool]) -> None:
    """Make the tokenizer put begin and end tokens where they are declared, and only there."""
    before, after = _around(tokenizer)
    found = {"add_bos_token": bool(before), "add_eos_token": bool(after)}
    known = {"add_bos_token": tokenizer.bos_token_id, "add_eos_token": tokenizer.eos_token_id}
    wanted = found | {key: told and known[key] is not None for key, told in declared.items()}
    if wanted == found or not hasattr(tokenizer, "update_post_processor"):
        return
    tokenizer.add_bos_token = wanted["add_bos_token"]
    tokenizer.add_eos_token = wanted["add_eos_token"]
    tokenizer.update_post_processor()


def _refuse_without_sentencepiece(path: Path) -> None:
    absent = [name for name in SENTENCEPIECE if not _is_installed(name)]
    if absent:
        packages = " ".join(name.removeprefix("google.") for name in absent)
        what = f"it alone holds the vocabulary, and to read it {packages.replace(' ', ' and ')} is"
        mend = f"pip install {packages}, or fetch the model's tokenizer.json."
        raise bad(path, f"{what} missing", mend)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False


def encode_questions(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, with what the tokenizer itself puts around a text (LLaMA: a begin
    token; GPT-2: nothing).

    Words that look like control tokens (`<|eot_id|>`) are read as ordinary text. Raises BadInput
    naming the texts where the tokenizer makes control tokens of them all the same.
    """
    options = {"split_special_tokens": True, "padding": False, "truncation": False}
    control = control_ids(tokenizer)
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


def decode(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], control: bool = False) -> str:
    """The text of `ids`, without clean-up of spaces; control tokens are part of it with `control`.

    Ids beyond the tokenizer (CODI's pad, begin and end of thought) have no text and are left out.
    """
    size = entries(tokenizer)
    known = [int(token) for token in ids if 0 <= token < size]
    return tokenizer.decode(
        known, skip_special_tokens=not control, clean_up_tokenization_spaces=False
    )


@lru_cache(maxsize=16)
def entries(tokenizer: "PreTrainedTokenizerBase") -> int:
    """The first id beyond the tokenizer; some have fewer entries, with ids left out."""
    return max(len(tokenizer), 1 + max(tokenizer.get_vocab().values(), default=-1))


def stop_ids(base: Path, tokenizer: "PreTrainedTokenizerBase") -> tuple[int, ...]:
    """Every id that ends a text, ascending.

    The tokenizer, config.json and generation_config.json often name different ones (an instruct
    model's tokenizer ends a turn, its base config ends a document); a checkpoint was trained with
    one of them, so all count, and so do the well-known end tokens in the vocabulary.
    """
    base = Path(base)
    found = {tokenizer.eos_token_id} - {None}
    for name in ("config.json", "generation_config.json"):
        found |= _declared(base / name, entries(tokenizer))
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
    """What is wrong when the tokenizer has more than `rows` entries.

    CODI numbers its own tokens from the base vocabulary's size on, so they would collide with the
    tokenizer's last ids. A vocabulary may have rows beyond the tokenizer, as those of Qwen do.
    """
    if entries(tokenizer) <= rows:
        return []
    what = f"its tokenizer has {entries(tokenizer)} entries, vocab_size in config.json is {rows}"
    mend = "Use the tokenizer and config of one model, without added tokens."
    return [Finding(str(base), what, mend)]


def control_ids(tokenizer: "PreTrainedTokenizerBase") -> set[int]:
    """The tokens that stand for no text."""
    added = tokenizer.added_tokens_decoder.items()
    control = {*tokenizer.all_special_ids, *(number for number, token in added if token.special)}
    if tokenizer.unk_token_id != tokenizer.eos_token_id:
        control.discard(tokenizer.unk_token_id)  # an unknown character is ordinary text
    return control


def _declared(path: Path, size: int) -> set[int]:
    if not path.is_file():
        return set()
    value = _json_object(path).get("eos_token_id")
    ids = value if isinstance(value, list) else [] if value is None else [value]
    for token in ids:
        if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < size:
            what = f"{token!r} is no id of this tokenizer, which has {size}"
            raise bad(f"{path}: eos_token_id", what, "Use the config of the same model.")
    return set(ids)


def _json_object(path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
        raise ValueError(f"it holds a {type(value).__name__}")
    except (OSError, ValueError) as error:
        raise bad(path, f"is not a JSON object ({error})", "Fetch the model again.") from None
