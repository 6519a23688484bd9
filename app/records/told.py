"""What people tell by id: JSON or NDJSON to labels, each line named where it can't be taken."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.records.errors import LabelsError
from app.serving.answer_ids import ANSWER_ID

__all__ = ["DEFAULT_SOURCE", "Label", "TellableLabel", "read_json", "read_lines"]

DEFAULT_SOURCE = "client"
_SECONDS_AHEAD = 60  # that a clock may be ahead of ours
_MAX_NAME = 200  # characters of a label or a source
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # with which some systems begin a file of UTF-8
_MAX_MEMBERS = 16  # of a label that are looked at, to be refused by name: it has four

Name = Annotated[str, Field(min_length=1, max_length=_MAX_NAME)]


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("it has characters that can't be shown")
    return name


class TellableLabel(BaseModel):
    """The true label of one answer, as it is told by id."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(pattern=ANSWER_ID, description="of the answer, as the service gave it")
    label: Annotated[Name, AfterValidator(_printable)] | None = Field(
        description="one of the model's labels, or `none of these`; null takes back what this source told before"
    )
    source: Annotated[Name, AfterValidator(_printable)] = Field(
        default=DEFAULT_SOURCE, description="who says so; of each source the newest label counts"
    )
    time: Annotated[datetime, Field(strict=False)] | None = Field(
        default=None, description="when it was known, in UTC where no zone is told; without it, now"
    )


class Label(NamedTuple):
    """The true label of one answer."""

    line: int  # of the request or file, from 1
    id: str
    label: str | None
    source: str
    time: float  # seconds since 1970


def read_json(content: bytes, now: float) -> list[Label]:
    """The labels in a JSON object, or in an array of them.

    Args:
        content: the JSON.
        now: seconds since 1970.

    Raises:
        LabelsError: it is neither, or what is told of an answer can't be so.
    """
    found = _loaded(content, 1)
    return [_label(line, told, now) for line, told in enumerate(found if isinstance(found, list) else [found], 1)]


def read_lines(lines: Iterable[bytes], now: float, first: int = 1) -> list[Label]:
    """The labels in lines of JSON (NDJSON); empty lines mean nothing.

    Args:
        lines: each an object.
        now: seconds since 1970.
        first: the first line's number.

    Raises:
        LabelsError: a line is none, or what is told of an answer can't be so.
    """
    return [_label(number, _loaded(line, number), now) for number, line in enumerate(lines, first) if line.strip()]


def _loaded(content: bytes, line: int) -> Any:
    try:
        return orjson.loads(content.removeprefix(_BYTE_ORDER_MARK) if line == 1 else content)
    except orjson.JSONDecodeError as error:
        raise LabelsError(f"Line {line} is not JSON: {error}.") from error


def _label(line: int, found: Any, now: float) -> Label:
    if isinstance(found, dict) and len(found) > _MAX_MEMBERS:
        raise LabelsError(f"Line {line} has {len(found):,} members; a label has id, label, source and time.")
    try:
        told = TellableLabel.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        member = ".".join(map(str, first["loc"])) or "the line"
        raise LabelsError(f"Line {line}: {member}: {first['msg']}.") from error
    if told.time is None:
        return Label(line, told.id, told.label, told.source, now)
    time = (told.time if told.time.tzinfo else told.time.replace(tzinfo=UTC)).timestamp()
    if not 0 <= time <= now + _SECONDS_AHEAD:
        where = "before 1970" if time < 0 else "in the future"
        raise LabelsError(f"Line {line}: time: {told.time.isoformat()} lies {where}.")
    return Label(line, told.id, told.label, told.source, time)
