"""A study file as plain values, or why it is none, in one message that helps to mend it.

Alone, `python -m cotsieve.study.study_file FILE…` says nothing but what is wrong: Snakemake, which
reads the file by itself, meets one that is missing or broken with a traceback.
"""

import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from cotsieve.ground.faults import BadInput, bad
from cotsieve.study.repeated_keys import refuse_repeated_keys

MEND = "config/README.md says what a study file holds."


def study_values(path: str | Path) -> dict[str, Any]:
    """The plain values of a study file, JSON or YAML as Snakemake takes them.

    Raises BadInput where there is no such file, and for one that is neither, holds a key twice, or
    is no mapping of keys.
    """
    text = _text(Path(path))
    refuse_repeated_keys(path)
    values = _loaded(Path(path), text)
    if not isinstance(values, dict):
        raise bad(path, "it is not a mapping of keys", MEND)
    return values


def origin_of(files: Sequence[str | Path], config: Mapping[str, Any]) -> str:
    """What messages call a study: the file that all its values come from, or `config`.

    They may also come from several files, from the command line or from another workflow.
    """
    with suppress(BadInput):  # told as what it is, not here
        if len(files) == 1 and study_values(files[0]) == config:
            return short_name(files[0])
    return "config"


def short_name(path: str | Path) -> str:
    """A path as it is seen from the working directory, where it lies below that."""
    path = Path(path)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise bad(path, "there is no such file", _meant(path)) from None
    except OSError as error:
        raise bad(path, f"cannot be read ({error.strerror})", "Give a YAML file.") from None
    except UnicodeDecodeError as error:
        what = f"is not UTF-8 (byte 0x{error.object[error.start]:02x} at {error.start})"
        raise bad(path, what, "Save it as UTF-8.") from None


def _meant(path: Path) -> str:
    folder = path.parent
    names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"Did you mean {folder / close[0]}?" if close else f"Correct the path; {MEND}"


def _loaded(path: Path, text: str) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        mend = "Mend that line or the one before: brackets, quotes, colons, indentation by blanks."
        raise bad(f"{path}{line}", f"cannot be read as YAML ({error.problem})", mend) from None
    except (yaml.YAMLError, ValueError) as error:
        what = f"cannot be read as YAML ({str(error).splitlines()[0]})"
        raise bad(path, what, f"Correct the text; {MEND}") from None


def main(files: Sequence[str]) -> int:
    """Tell what is wrong with study files as files; the exit code."""
    found = 0
    for file in files:
        try:
            study_values(file)
        except BadInput as error:
            print(error, file=sys.stderr)
            found = 1
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
