"""Request bodies to image files, from multipart/form-data or a raw image body; and those to pixels."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from app.engine.calls import Call
from app.engine.forms import Upload, boundary_of, shown, split_form
from app.engine.limits import Limits
from app.engine.problems import BadRequestError, TooLargeError
from app.engine.routes import DirectRoute
from app.engine.spelling import check_names
from app.parts import Parts
from app.serving.errors import TooManyImagesError
from app.serving.live_model import LiveModel

__all__ = [
    "ExplainOptions",
    "FittingOptions",
    "ImageOptions",
    "LabeledImage",
    "ManyImagesRoute",
    "OneImageRoute",
    "decode",
    "read_image",
    "read_images",
    "read_labeled_images",
]

_LIGHT_IMAGE_BYTES = 16 * 1024  # of a body with one image
_LIGHT_BATCH_BYTES = 4 * 1024  # of a body with a handful of images: more take milliseconds, and wait in a line apart
_FORM_OVERHEAD = 16 * 1024  # bytes that a form may add to its files: boundaries, headers, other fields
_MAX_OTHER_PARTS = 16  # parts of a form that are read besides the files; there should be none
_OTHER_LABELS = ", or labels by id as application/json or application/x-ndjson"
_DIGEST_DIGITS = 16  # of an image's SHA-256, in the log


class FittingOptions(BaseModel):
    """The query parameters of every route that takes images."""

    model: str | None = Field(None, description="name of the model; without it the default model answers")
    version: str | None = Field(
        None, description="of the model, such as its challenger's or previous one; without it the champion answers"
    )
    resize: bool | None = Field(
        None,
        description="fit an image of any size into 28×28 (letter-boxed, area-averaged); without it as the model's "
        "training images were",
    )
    invert: bool | None = Field(
        None, description="turn dark-on-light into light-on-dark; without it as the model's training images were"
    )


class ImageOptions(FittingOptions):
    """The query parameters of `POST /predict`."""

    top_k: int | None = Field(
        None, ge=1, description="return the probabilities of so many labels only, the likeliest; for many classes"
    )
    pixels: bool = Field(default=False, description="also return the 28×28 pixels that the model saw")
    coverage: float | None = Field(
        None,
        ge=0.5,
        le=0.999,
        description="also return the smallest set of labels that holds the truth this likely: all labels, where the "
        "model had fewer than coverage / (1 - coverage) validation images",
    )


class ExplainOptions(ImageOptions):
    """The query parameters of `POST /explain`."""

    against: str | None = Field(None, description="label to hold the answer against; else the nearest rival")


class LabeledImage(NamedTuple):
    """One uploaded file and what it shows."""

    upload: Upload
    label: str


class OneImageRoute(DirectRoute):
    """A direct route that takes one image."""

    @staticmethod
    def max_body_bytes(limits: Limits) -> int:
        """One image and the form around it."""
        return limits.max_file_bytes + _FORM_OVERHEAD

    @staticmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:
        """An image of about 28×28 pixels, not to be scaled down from any size."""
        return length <= _LIGHT_IMAGE_BYTES and not _may_resize(call.query, named["parts"])


class ManyImagesRoute(DirectRoute):
    """A direct route that takes many images."""

    @staticmethod
    def max_body_bytes(limits: Limits) -> int:
        """All images with the form around them."""
        return limits.max_body_bytes

    @staticmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:
        """Few images, and none to be scaled down from any size."""
        return length <= _LIGHT_BATCH_BYTES and not _may_resize(call.query, named["parts"])


def _may_resize(query: bytes, parts: Parts) -> bool:
    return b"resize" in query or b"%" in query or parts.models.any_resizes  # % may escape it


def read_image(call: Call) -> Upload:
    """The one image of a call: the form's part `file`, or the whole body where its type is image/*.

    Raises:
        BadRequestError: a form that can't be read, or that has no part `file` or several.
        UnsupportedMediaTypeError: the body is neither a form nor an image.
    """
    content_type = call.header_fields.get(b"content-type", b"")
    if content_type.lower().startswith((b"image/", b"application/octet-stream")):
        upload = Upload(b"The body", b"", bytes(call.content))
    else:
        upload, *others = _files(call, b"file", 1, " or the image itself as image/*")
        if others:
            count = 1 + len(others)
            raise BadRequestError(f"The form has {count} parts named 'file'; send one, or several to /predict/batch.")
    call.notes["image_digest"] = sha256(upload.content).hexdigest()[:_DIGEST_DIGITS]
    return upload


def read_images(call: Call, parts: Parts) -> list[Upload]:
    """The images of a call, each to be decoded: the form's parts `files`.

    Raises:
        BadRequestError: a form that can't be read, or that has no part `files`.
        TooLargeError: it has too many.
        UnsupportedMediaTypeError: the body is not a form.
    """
    max_files = parts.settings.max_batch_images
    files = _files(call, b"files", max_files)
    if len(files) > max_files:
        raise TooManyImagesError(f"The form has {len(files):,} files; the limit is {max_files:,}.")
    return files


def _files(call: Call, field: bytes, max_files: int, others: str = "") -> list[Upload]:
    boundary = boundary_of(call.header_fields.get(b"content-type", b""), others)
    sections = split_form(call.content, boundary, max_files + _MAX_OTHER_PARTS)
    files = [part for part in sections if part.field == field]
    if not files:
        names = ", ".join(repr(shown(part.field)) for part in sections) or "none"
        raise BadRequestError(f"The form has no part named {shown(field)!r}; it has {names}.")
    if len(files) < len(sections):
        _check_parts(sections, field)
    return files


def _check_parts(sections: list[Upload], *known: bytes) -> None:
    """Raises BadRequestError: a form has a part that means nothing here."""
    for part in sections:
        if part.field in known:
            continue
        name = shown(part.field)
        if name in ExplainOptions.model_fields:
            raise BadRequestError(f"The form has a part {name!r}, which is a query parameter: ask for ?{name}=…")
        check_names("part of the form", [name], [shown(field) for field in known])


def decode(parts: Parts, model: LiveModel, upload: Upload, options: FittingOptions, among: int = 1) -> bytes:
    """What the model is to see of an uploaded file, as `read_pixels` returns it.

    Args:
        parts: of the service.
        model: that is to see it.
        upload: the file.
        options: how to fit the image to the model, where the caller says; else as its training images were.
        among: how many files the request has; they share the pixels that one request may have resized.

    Raises:
        BadRequestError: the file is empty.
        TooLargeError: it is over the limit of one image.
        ImageError: it can't be classified.
    """
    settings = parts.settings
    if not upload.content:
        raise BadRequestError(f"{upload.name} is empty.")
    if len(upload.content) > settings.max_image_bytes:
        raise TooLargeError(
            f"{upload.name} has {len(upload.content):,} bytes; the limit is {settings.max_image_bytes:,}."
        )
    max_pixels = min(settings.max_image_pixels, settings.max_batch_pixels // among)
    return model.metadata.preparation.read(
        upload.content, upload.name, resize=options.resize, invert=options.invert, max_pixels=max_pixels
    )


def read_labeled_images(call: Call, parts: Parts) -> list[LabeledImage]:
    """The images of a call, each to be decoded, and their labels: as many parts `file` as `label`, in one order.

    Raises:
        BadRequestError: a form that can't be read, without images, or not one label for each.
        TooLargeError: it has too many images.
        UnsupportedMediaTypeError: the body is not a form.
    """
    max_files = parts.settings.max_batch_images
    boundary = boundary_of(call.header_fields.get(b"content-type", b""), _OTHER_LABELS)
    sections = split_form(call.content, boundary, 2 * max_files + _MAX_OTHER_PARTS)
    files = [part for part in sections if part.field == b"file"]
    labels = [part.content.decode("utf-8", "replace") for part in sections if part.field == b"label"]
    if not files or len(files) != len(labels):
        raise BadRequestError(
            f"The form has {len(files)} parts named 'file' and {len(labels)} named 'label'; send one label a file."
        )
    _check_parts(sections, b"file", b"label")
    if len(files) > max_files:
        raise TooManyImagesError(f"The form has {len(files):,} files; the limit is {max_files:,}.")
    return [LabeledImage(*pair) for pair in zip(files, labels, strict=True)]
