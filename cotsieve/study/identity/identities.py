"""The identity of a job: a digest of what it makes, its params and the identities of what it reads.

It is taken from the rules themselves, their inputs and params, so that nothing a rule names can be
forgotten. What a user gave is not looked at: its content enters by the params. So the identity of
the last table holds every decision on the way to it, whatever else is still there.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.io import regex_from_filepattern

from cotsieve.ground.named_params import named
from cotsieve.study.identity.records import record_of
from cotsieve.study.identity.used import PARAM, SCRIPTS, Used, told_files

_WILDCARD = re.compile(r"\{(\w+)(?:,[^{}]*(?:\{[^{}]*\}[^{}]*)*)?\}")


class Identities:
    """The identities of all jobs of a workflow."""

    def __init__(
        self,
        rules: Callable[[], Iterable[Any]],
        code: Mapping[str, str],
        environment: str | None = None,
    ):
        """`rules` gives all rules, once they are read; `code` is a digest of all that a script
        reaches, by the path of the script; `environment` is what jobs run in, where the workflow
        decides that."""
        self._all_rules, self._code, self._environment = rules, code, environment
        self._known: dict[tuple[str, ...], str] = {}
        self._digests: dict[int, tuple[object, str]] = {}

    def param(self, rule: str, *, by_hand: bool = False) -> Callable[[Any], dict[str, str]]:
        """The function of a param that tells a job of `rule` its identity, and what it uses.

        What a job makes may be put there `by_hand` where its name alone says what it is, as with
        what is fetched; then it has no record.
        """

        def identity(wildcards):
            fields = dict(wildcards.items())
            return {PARAM: {"is": self.of(rule, fields), "uses": self.uses(rule, fields)._asdict()}}

        identity.rule_of, identity.by_hand = (self, rule), by_hand
        return identity

    def rule_of(self, rule: Any) -> str | None:
        """The name under which a rule of Snakemake is known here; None for a foreign one."""
        owner, name = getattr(rule.params.get(PARAM), "rule_of", (None, None))
        return name if owner is self else None

    def of(self, rule: str, fields: Mapping[str, str]) -> str:
        """The identity of a job, given by its rule and its wildcards."""
        key = (rule, *(word for item in sorted(fields.items()) for word in item))
        if key not in self._known:
            wildcards = SimpleNamespace(**fields, get=fields.get)
            parts = [rule, dict(fields), self._environment, self._params(rule, wildcards)]
            read = map(self.of_file, self._inputs(rule, wildcards, fields))
            self._known[key] = _digest([*parts, [one for one in read if one]])
        return self._known[key]

    def of_file(self, path: str) -> str | None:
        """The identity of the job that makes a file; None for what no job makes."""
        maker = self._maker(path)
        return maker and self.of(*maker)

    def uses(self, rule: str, fields: Mapping[str, str]) -> Used:
        """What a job is to find as it was planned."""
        wildcards = SimpleNamespace(**fields, get=fields.get)
        paths = list(self._inputs(rule, wildcards, fields))
        makers = {path: self._maker(path) for path in paths}
        given = [path for path, maker in makers.items() if maker is None]
        script = f"{SCRIPTS}/{Path(self._rules[rule].script).name}"
        return Used(
            script,
            self._code[script],
            told_files(self._values(rule, wildcards), given),
            {path: self._told(*maker) for path, maker in makers.items() if self._is_told(maker)},
        )

    def _is_told(self, maker: tuple[str, dict[str, str]] | None) -> bool:
        """Whether a record tells of the files of a job; of what lies in a storage none does."""
        rule = maker and self._rules[maker[0]]
        by_hand = rule and rule.params.get(PARAM).by_hand
        return bool(rule) and not by_hand and str(rule.output[0]).startswith("results/")

    def _told(self, rule: str, fields: Mapping[str, str]) -> tuple[str, str]:
        """The record of a job, and its identity."""
        (output,) = map(Path, _paths(str(self._rules[rule].output[0]), fields))
        return record_of(Path(*output.parts[:2]), output).as_posix(), self.of(rule, fields)

    def _maker(self, path: str) -> tuple[str, dict[str, str]] | None:
        """The rule that makes a file, and its wildcards."""
        kind = path.split("/", 3)[2] if path.count("/") > 1 else path
        for rule, pattern in self._makers.get(kind, ()):
            found = pattern.fullmatch(path)
            if found:
                return rule, found.groupdict()
        return None

    @cached_property
    def _rules(self) -> dict[str, Any]:
        named_here = ((self.rule_of(rule), rule) for rule in self._all_rules())
        return {name: rule for name, rule in named_here if name}

    @cached_property
    def _makers(self) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
        """The part of a path behind the study → rules that make such files, and how they match."""
        found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        for name, rule in self._rules.items():
            for output in map(str, rule.output):
                pattern = output[output.index("results/") :]  # before it, a storage may be named
                regex = re.compile(regex_from_filepattern(pattern))
                found.setdefault(pattern.split("/", 3)[2], []).append((name, regex))
        return found

    def _params(self, rule: str, wildcards: SimpleNamespace) -> list[list[str]]:
        """Name and digest of every param."""
        values = self._values(rule, wildcards)
        return [[name, self._digest_of(value)] for name, value in values.items()]

    def _values(self, rule: str, wildcards: SimpleNamespace) -> dict[str, Any]:
        items = self._rules[rule].params.items()
        return named(
            value(wildcards) if callable(value) else value for name, value in items if name != PARAM
        )

    def _digest_of(self, value: object) -> str:
        """Computed once for what is one object, as what all jobs of a model are told."""
        if not isinstance(value, dict | list):
            return _digest(value)
        if id(value) not in self._digests:  # the object is kept, so that its number stays its own
            self._digests[id(value)] = value, _digest(value)
        return self._digests[id(value)][1]

    def _inputs(
        self, rule: str, wildcards: SimpleNamespace, fields: Mapping[str, str]
    ) -> Iterator[str]:
        for item in self._rules[rule].input:
            flagged = getattr(getattr(item, "_file", item), "callable", None)  # as by `unpack`
            asked = flagged or item
            yield from _paths(asked(wildcards) if callable(asked) else asked, fields)


def _paths(value: Any, fields: Mapping[str, str]) -> Iterator[str]:
    if getattr(value, "is_storage", False):  # a name in front says in which
        yield from _paths(value[value.index("results/") :], fields)
    elif isinstance(value, str):
        yield _WILDCARD.sub(lambda found: fields[found[1]], value) if "{" in value else str(value)
    else:
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _paths(one, fields)


def _digest(value: object) -> str:
    """Of plain values; unlike with `seeds.digest` the order of keys counts: tables follow it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
