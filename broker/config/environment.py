"""What a value may take from outside the file: ``${NAME}``, ``${NAME:-default}`` and ``file:PATH``.

Owns the two notations. ``$${`` stands for the two characters ``${``; what a variable holds is taken as
it is and never read again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

_MAX_SECRET = 64 * 1024
_VARIABLE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")


_UNSET = "the environment has no "


class SubstitutionError(ValueError):
    """A notation that is wrong, or that names something that is not there."""


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """``text`` with its variables filled in.

    Raises:
        SubstitutionError: a variable without default is not set, or the notation is not one of ours.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match[1], match[2]
        if name is None:
            raise SubstitutionError("write ${NAME} or ${NAME:-default} ($${ is a plain ${)")
        found = environ.get(name)
        if default is not None:
            return found or default
        if found is None:
            raise SubstitutionError(f"{_UNSET}{name}")
        return found

    return _VARIABLE.sub(value, text)


def unset(message: str) -> str | None:
    """The variable that is not set, if that is what `substitute` said."""
    return message.removeprefix(_UNSET) if message.startswith(_UNSET) else None


def is_file(path: Path) -> bool:
    """Whether there is such a file; a name that no file can have, or that we may not look at, is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_secret(path: Path, note: Callable[[str], None]) -> str:
    """The text of a secret's file, without its last newline.

    Raises:
        SubstitutionError: there is no such file, it cannot be read, or it is not text of a sane size.
    """
    try:
        with path.open("rb") as file:
            readable_by_all = os.fstat(file.fileno()).st_mode & stat.S_IROTH
            data = file.read(_MAX_SECRET + 1)
    except OSError as error:
        raise SubstitutionError(f"cannot read the file: {error.strerror or type(error).__name__}") from error
    except ValueError as error:
        raise SubstitutionError("the path of the file is not one") from error
    if readable_by_all:
        note(f"{path} can be read by everybody on this machine; chmod 600 keeps it secret")
    if len(data) > _MAX_SECRET:
        raise SubstitutionError(f"the file is larger than {_MAX_SECRET} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SubstitutionError("the file is not text in UTF-8") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SubstitutionError("the file is empty")
    return text
