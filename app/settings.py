"""The service's settings, from SOFTMAX_* environment variables; never made at import."""

import ipaddress
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ByteSize,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.engine.keys import check_keys, read_keys

__all__ = ["Settings", "complaints", "unknown_variables"]

_ADMIN = re.compile(r"[A-Za-z0-9._-]{1,40}")  # what an administrator may be called
_Text = TypeVar("_Text", str, Path)
_ORIGIN = re.compile(r"(null|[a-z][a-z0-9+.-]*://[^/?#\s]+)")


def _default_models_dir() -> Path:
    here, shipped = Path("models"), Path(__file__).parent / "models"
    return here if here.is_dir() or not shipped.is_dir() else shipped


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _split_keys(value: object) -> object:
    keys = _split(value)
    if keys == []:
        raise ValueError("There is no key in it; unset it to let everybody ask.")
    return keys


def _checked_keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    check_keys(key.get_secret_value() for key in keys)
    return keys


def _checked_admin_keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    named = [key.get_secret_value().partition(":") for key in keys]
    if not all(_ADMIN.fullmatch(name) for name, _, _ in named):
        raise ValueError("Write each as NAME:KEY; a name has letters, digits, '.', '_' and '-'.")
    check_keys(key for _, _, key in named)
    return keys


def _utf8(value: _Text) -> _Text:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise ValueError("It is not UTF-8.") from None
    return value


def _checked_file(path: Path) -> Path:
    read_keys(path)
    return path


def _checked_origin(origin: str) -> str:
    if origin != "*" and not _ORIGIN.fullmatch(origin):
        raise ValueError(f"{origin!r} is no origin: write scheme and host, such as https://pages.example, and no more.")
    return origin


class Settings(BaseSettings):
    """Each field is the environment variable SOFTMAX_<FIELD>; sizes may be written like `1MiB`."""

    model_config = SettingsConfigDict(
        env_prefix="SOFTMAX_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    models_dir: Annotated[Path, AfterValidator(_utf8)] = Field(
        default_factory=_default_models_dir,
        description="each sub-folder with a model.safetensors is a model; unset: models, else what the package brings",
    )
    default_model: Annotated[str, AfterValidator(_utf8)] | None = Field(
        default=None, description="answers when the caller names none; unset: fashion-mnist, else the first by name"
    )
    min_accuracy: float | None = Field(
        default=None, ge=0, le=1, description="models of a lower test accuracy are refused; unset: none is"
    )
    models_poll_seconds: PositiveFloat = Field(
        default=0.25,
        le=60,
        description="between looks at the models folder and the keys' file; a new model takes one, at most two",
    )
    host: Annotated[str, AfterValidator(_utf8)] = "127.0.0.1"
    port: NonNegativeInt = Field(default=8000, le=65535)
    root_path: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9_.~-]+)*$",
        description="where a proxy has the service, such as /garments; requests may come with it or without",
    )
    workers: PositiveInt = Field(default=1, description="processes that answer, each with one thread of torch")
    max_image_bytes: ByteSize = Field(default=ByteSize(2**20), description="largest image file")
    max_batch_bytes: ByteSize = Field(default=ByteSize(16 * 2**20), description="largest body with many images")
    max_batch_images: PositiveInt = Field(default=1024, description="most images in one request")
    max_image_pixels: PositiveInt = Field(default=4_000_000, description="largest image that is resized")
    max_batch_pixels: PositiveInt = Field(
        default=16_000_000, description="pixels of all resized images in one request; each may have an equal share"
    )
    max_json_bytes: ByteSize = Field(default=ByteSize(2**20), description="largest JSON object of the /v2 protocol")
    max_header_bytes: ByteSize = Field(
        default=ByteSize(64 * 2**10), gt=0, description="longest request line and headers"
    )
    max_pending_bytes: ByteSize = Field(
        default=ByteSize(128 * 2**20), description="what arrives or waits, and answers that nobody takes, in one worker"
    )
    max_delay_ms: PositiveFloat = Field(
        default=20,
        description="what is answered together may take this long; requests that would make it longer are refused with "
        "503",
    )
    header_seconds: PositiveFloat = Field(default=10, description="for a request's line and headers to arrive")
    body_seconds: PositiveFloat = Field(default=30, description="for a request's body to arrive")
    idle_seconds: PositiveFloat = Field(default=75, description="until a connection without a request is closed")
    drain_seconds: NonNegativeFloat = Field(
        default=2, description="between SIGTERM, which makes the service unready, and the end of listening"
    )
    stop_seconds: PositiveInt = Field(default=10, description="for the requests in work to end after that")
    records: SecretStr = Field(
        default=SecretStr("sqlite:///var/records.sqlite"),
        description="URL of the database in which answers and labels are kept, of SQLite or PostgreSQL",
    )
    record: Literal["labels", "answers", "images"] = Field(
        default="labels", description="what is kept: what people told, each answer too, or its pixels too"
    )
    record_share: float = Field(default=1.0, gt=0, le=1, description="share of the answers that are kept, by chance")
    record_days: PositiveFloat = Field(default=90, description="days after which answers and their labels are removed")
    promote: Literal["auto", "never"] = Field(
        default="never",
        description="what `python -m training learn` does with enough evidence: promote a challenger and take a worse "
        "model back, or say so",
    )
    api_keys: Annotated[
        tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_keys), AfterValidator(_checked_keys)
    ] = Field(default=(), description="keys that are accepted, comma separated; unset: everybody may ask")
    api_keys_file: Annotated[Path, AfterValidator(_checked_file)] | None = Field(
        default=None, description="file with more of them, one a line, read again when it changes"
    )
    admin_keys: Annotated[
        tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_keys), AfterValidator(_checked_admin_keys)
    ] = Field(
        default=(),
        description="keys that may promote models and take them back, each as NAME:KEY, comma separated; unset: none",
    )
    allow_anonymous: bool = Field(default=False, description="listen beyond this machine even without keys")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(),
        description="without keys: names, besides this machine's own, under which the service is asked, comma "
        "separated; unset: none where it listens to this machine only, any elsewhere",
    )
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_checked_origin)], ...], NoDecode, BeforeValidator(_split)
    ] = Field(default=(), description="origins whose pages may ask, comma separated, or *")
    cors_headers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(), description="headers that they may send besides the usual ones, comma separated, or *"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, json elsewhere"
    )
    log_requests: bool = Field(default=True, description="one line a request")

    @property
    def needs_key(self) -> bool:
        """Whether a request has to bring a key."""
        return bool(self.api_keys) or self.api_keys_file is not None

    @property
    def is_open_to_all(self) -> bool:
        """Whether other machines may reach the service without a key, and nobody said so."""
        return not (self.needs_key or self.allow_anonymous or self.is_local)

    @property
    def is_local(self) -> bool:
        """Whether the service listens to this machine only."""
        return _is_loopback(self.host)


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """What is wrong with variables that start like a setting and are none, a line each."""
    known = [name.upper() for name in Settings.model_fields]
    names = [name.removeprefix("SOFTMAX_") for name in sorted(environment) if name.startswith("SOFTMAX_")]
    return [_unknown(name, get_close_matches(name, known, n=1)) for name in names if name not in known]


def _unknown(name: str, near: list[str]) -> str:
    hint = f" Did you mean SOFTMAX_{near[0]}?" if near else ""
    return f"SOFTMAX_{name}: there is no such setting.{hint}"


def complaints(error: ValidationError) -> list[str]:
    """What is wrong with the environment, a line for each variable; a key is never repeated."""
    return [_complaint(problem) for problem in error.errors()]


def _complaint(problem: ErrorDetails) -> str:
    name = f"SOFTMAX_{problem['loc'][0]}".upper()
    shown = "" if name.endswith("_KEYS") else f"={problem['input']}"
    reason = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else f"{problem['msg']}."
    return f"{name}{shown}: {reason}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
