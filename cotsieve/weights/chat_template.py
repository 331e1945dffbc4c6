"""A model's chat template: the words it puts around a question, or why it can put none.

Rendered as the transformers library does it, but for the date: a template that asks for today's is
told a fixed one, so that the same study gives the same prompts on any day.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from cotsieve.ground.faults import bad

QUESTION = "\ue000"
"""Stands for the question while a template is rendered; a private character, so in no template."""

DATE = "26 Jul 2024"
"""What a template takes for today: what those of Llama 3 say where nobody tells them."""

SWITCHES = ("enable_thinking", "thinking")
"""Names by which templates of models that can do without reasoning know that it is wanted."""

Switch = str | int | float | bool | None


class Chat(NamedTuple):
    """What stands around a question, and around the thought that the opening tag begins."""

    before: str
    after: str
    """Without the opening tag, if the template ends with one."""


def template_in(folder: Path) -> str | None:
    """The template in a model's folder: its own file, or the entry of the tokenizer's settings."""
    file = Path(folder) / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json"):
        found = default_of(_settings(Path(folder) / name).get("chat_template"))
        if found:
            return found
    return None


def default_of(templates: object) -> str | None:
    """The one template, or of several with names the one that is called default."""
    if isinstance(templates, list):
        named = [item for item in templates if isinstance(item, Mapping)]
        templates = {item.get("name"): item.get("template") for item in named}
    if isinstance(templates, Mapping):
        templates = templates.get("default")
    return templates if isinstance(templates, str) else None


def named_tokens(folder: Path) -> dict[str, str]:
    """Name → text of the tokens that templates know by name, such as `bos_token`."""
    found: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        for key, value in _settings(Path(folder) / name).items():
            text = value.get("content") if isinstance(value, Mapping) else value
            if key.endswith("_token") and isinstance(text, str):
                found[key] = text
    return found


def chat_of(
    template: str,
    tokens: Mapping[str, str],
    switches: Mapping[str, Switch],
    *,
    tags: tuple[str, str],
    where: str,
) -> Chat:
    """The words around a question put by a user, up to where the thought begins.

    `tokens` are texts by name, `switches` what else the template is told, `tags` open and close a
    thought. Raises BadInput, about `where`, for a template that refuses the question, does not
    show it once, or ends the thought itself.
    """
    told = (tuple(sorted(tokens.items())), tuple(sorted(switches.items())))
    return _chat_of(template, *told, tags, where)


@lru_cache(maxsize=16)
def _chat_of(
    template: str,
    tokens: tuple[tuple[str, str], ...],
    switches: tuple[tuple[str, Switch], ...],
    tags: tuple[str, str],
    where: str,
) -> Chat:
    opening, closing = tags
    known = {"date_string": DATE, **dict(tokens), **dict(switches)}
    before, after = _around(template, known, where)
    bare = after.rstrip()
    if bare.endswith(closing):
        raise bad(where, f"the chat template ends the thought itself, with {closing}", _mend(
            template, known, closing, where
        ))  # fmt: skip
    return Chat(before, bare.removesuffix(opening) if bare.endswith(opening) else after)


def _mend(template: str, known: Mapping[str, Any], closing: str, where: str) -> str:
    """Which switch lets the model think."""
    for switch in SWITCHES:
        _, after = _around(template, {**known, switch: True}, where)
        if not after.rstrip().endswith(closing):
            return f"Switch the thought on: style: {{template: {{{switch}: true}}}}."
    return "Tell the template by style.template to let the model think, or write prompt: raw."


def _around(template: str, known: Mapping[str, Any], where: str) -> tuple[str, str]:
    """What is rendered before and behind the question, given as text or, if need be, in parts."""
    why = None
    for content in (QUESTION, [{"type": "text", "text": QUESTION}]):
        try:
            shown = render(template, [{"role": "user", "content": content}], known)
        except MemoryError:
            raise
        except Exception as error:  # templates fail in every way there is
            why = why or f"the chat template refuses a question ({_first_line(error)})"
            continue
        if shown.count(QUESTION) == 1:
            before, _, after = shown.partition(QUESTION)
            return before, after
        why = why or f"the chat template shows a question {shown.count(QUESTION)} times, not once"
    mend = "Use one that takes a single message of a user, or write prompt: raw."
    raise bad(where, why, mend)


def render(template: str, messages: list[dict[str, Any]], known: Mapping[str, Any]) -> str:
    """The text of a conversation, up to where the model goes on. Raises what templates raise."""
    given = {"tools": None, "documents": None, **known}
    return (
        _environment()
        .from_string(template)
        .render(messages=messages, add_generation_prompt=True, **given)
    )


class _Generation(Extension):
    """Blocks that mark what a model wrote; they show what they hold."""

    tags: ClassVar[set[str]] = {"generation"}

    def parse(self, parser: Any) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), True)).set_lineno(line)


class _Namespace(Namespace):
    """Without names that lead into the interpreter."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise TemplateError(f"the name {name!r} is not allowed")
        super().__setitem__(name, value)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    """What templates may use: the sandbox of the library, with the same functions and filters."""
    extensions = [_Generation, loopcontrols]
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=extensions
    )
    made.filters["tojson"] = _as_json
    made.globals |= {
        "raise_exception": _refuse,
        "strftime_now": datetime.strptime(DATE, "%d %b %Y").strftime,
        "dict": dict,
        "namespace": _Namespace,
    }
    return made


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _as_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _settings(path: Path) -> Mapping[str, Any]:
    """A JSON file of a tokenizer; nothing where there is none, or it is told elsewhere."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}
