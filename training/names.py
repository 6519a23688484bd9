"""Names of classes, models and files, which may be any text, as people read them."""

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

__all__ = ["apart", "at_home", "counted", "in_markdown", "in_shell", "shortened", "visible"]

# Control characters, halves of pairs, line ends, and what turns the direction of writing around.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What Markdown, HTML or GitHub's :emoji: take for markup, and spaces at an end.
_MARKUP = re.compile(rf"""[!#$&*:<>@[\\\]^_`{{|}}~]|^\s|\s$|{_HIDDEN.pattern}""")


def visible(name: str) -> str:
    """The name with escapes for characters that a terminal obeys instead of showing them, such as a line feed."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), name)


def apart(names: Sequence[str]) -> list[str]:
    """The names as `visible` shows them, with the numbers of their characters where two look alike."""
    looks = [unicodedata.normalize("NFKC", visible(name)) for name in names]
    often = Counter(looks)
    return [
        f"{visible(name)} ({name!a})" if often[look] > 1 else visible(name)
        for name, look in zip(names, looks, strict=True)
    ]


def at_home(path: Path) -> Path:
    """The path with `~` as a shell reads it: that of a user who is not there stays as it is."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def counted(number: int, noun: str) -> str:
    """The number with its noun, singular or plural: 1 epoch, 2 epochs."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def shortened(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1]}…"


def in_markdown(text: str) -> str:
    """The text for Markdown outside of code: a reader's browser shows it as it is, in tables too."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", text)


def in_shell(arguments: Sequence[str]) -> str:
    """A command line that gives these arguments, also where they are not UTF-8."""
    return " ".join(map(_quoted, arguments))


def _quoted(argument: str) -> str:
    if not _HIDDEN.search(argument):
        return shlex.quote(argument)
    escaped = "".join(
        f"\\x{byte:02x}" if byte < 32 or byte > 126 or byte in b"'\\" else chr(byte)
        for byte in argument.encode(errors="surrogateescape")
    )
    return f"$'{escaped}'"
