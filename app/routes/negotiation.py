"""Which of several forms of an answer a client asks for."""

import re
from collections.abc import Sequence

__all__ = ["preferred"]

_QUALITY = re.compile(r"[01](\.\d{0,3})?")


def preferred(accept: str, offered: Sequence[str]) -> str:
    """Of the media types offered, the one that `Accept` names and rates highest (RFC 9110, 12.5.1); else the first.

    A wildcard names none: who takes anything gets the first.
    """
    best, best_quality = offered[0], 0.0
    for entry in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in entry.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        weight = float(quality) if _QUALITY.fullmatch(quality) else 0.0
        if media_type in offered and weight > best_quality:
            best, best_quality = media_type, weight
    return best
