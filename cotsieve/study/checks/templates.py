"""How a model that writes its reasoning will be asked: its tags, begin token and chat template.

A template came with the model and is tried in a process of its own, under limits.
"""

import difflib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cotsieve.ground.confined import Failed, OutOfBounds, confined
from cotsieve.ground.faults import bad
from cotsieve.study.settings.models import Style
from cotsieve.weights.chat_template import Chat, chat_of, named_tokens, template_in
from cotsieve.weights.tokenizer import declared_ends

RAW = "Use another model, or write prompt: raw."


def check_template(where: str, folder: Path, style: Style) -> Chat:
    """What the chat template in `folder` puts around a question.

    Raises BadInput where there is none, and for one that refuses a question, does not show it,
    ends the thought itself, or takes more time or memory than it may.
    """
    template = template_in(folder)
    if template is None:
        what = f"there is no chat template in {folder}"
        raise bad(where, what, "Add its chat_template.jinja, or write prompt: raw.")
    tags, known = (style.open, style.close), named_tokens(folder)
    tried = partial(chat_of, template, known, style.template, tags=tags, where=where)
    try:
        return Chat(*confined(tried))
    except OutOfBounds as error:
        raise bad(where, f"the chat template cannot be rendered: {error}", RAW) from None
    except Failed as error:
        raise bad(where, f"the chat template cannot be rendered ({error})", RAW) from None


def told_prompts(name: str, where: str, folder: Path, style: Style) -> list[str]:
    """Lines on the tags and the begin token of a model's prompts; none without tokenizer.json.

    Told by a process with limits, since a tokenizer may explode on a tag as on a question.
    """
    try:
        return confined(lambda: list(_told_prompts(name, where, folder, style)))
    except (OutOfBounds, Failed) as error:
        what = f"its tokenizer cannot read the tags ({error})"
        raise bad(folder, what, "Fetch the model's tokenizer files again.") from None


def _told_prompts(name: str, where: str, folder: Path, style: Style) -> Iterator[str]:
    file = folder / "tokenizer.json"
    if not file.is_file():
        return
    tokenizer = _tokenizer(file)
    tokens = {tag: tokenizer.encode(tag, add_special_tokens=False).tokens for tag in _tags(style)}
    single = [tag for tag, found in tokens.items() if len(found) == 1]
    if single:
        yield f"{name}: {' and '.join(single)} {'is' if len(single) == 1 else 'are'} one token"
    known = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    for tag in tokens.keys() - set(single):
        close = difflib.get_close_matches(tag, known, n=1)
        meant = f"; did you mean {close[0]}?" if close else ""
        what = f"is no token of its tokenizer but {len(tokens[tag])}, and looked for in the text"
        yield f"{name}: {where}: the tag {tag} {what}{meant}"
    yield f"{name}: {_told_begin(tokenizer, folder, style, where)}"


def _tags(style: Style) -> tuple[str, str]:
    return style.open, style.close


def _tokenizer(file: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception on damaged files
        what = f"its tokenizer cannot be loaded ({str(error)[:100]})"
        raise bad(file, what, "Fetch the model's tokenizer files again.") from None


def _told_begin(tokenizer: Any, folder: Path, style: Style, where: str) -> str:
    """What stands before every prompt, and who puts it there."""
    begin = named_tokens(folder).get("bos_token")
    whole, bare = (tokenizer.encode("a", add_special_tokens=add).tokens for add in (True, False))
    put, declared = whole[:1] != bare[:1], declared_ends(folder).get("add_bos_token")
    if put and declared is not False:
        return f"every prompt begins with {whole[0]}, once, as tokenizer.json says"
    if declared and begin:
        return f"every prompt begins with {begin}, once, as add_bos_token says"
    if style.prompt == "chat" and begin:
        before, _ = check_template(where, folder, style)
        if before.startswith(begin):
            return f"every prompt begins with {begin}, as its chat template says"
    return "prompts have no begin token"
