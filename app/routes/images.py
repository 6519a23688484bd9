"""Request bodies to image files, from multipart/form-data or a raw image body; and those to pixels."""

import re
from typing import NamedTuple

from app.classifier.images import read_pixels
from app.engine.routes import Call, DirectRoute
from app.errors import BadRequestError, TooLargeError, TooManyImagesError, UnsupportedMediaTypeError
from app.serving.answers import FittingOptions
from app.settings import Settings

__all__ = [
    "LabeledImage",
    "ManyImagesRoute",
    "OneImageRoute",
    "Upload",
    "decode",
    "read_image",
    "read_images",
    "read_labeled_images",
    "split_form",
]

_LIGHT_IMAGE_BYTES = 16 * 1024
_LIGHT_BATCH_BYTES = 4 * 1024  # a handful of images: those of more take milliseconds, and wait in a line of their own
_FORM_OVERHEAD = 16 * 1024  # what a form may add to its files: boundaries, headers, other fields
_MAX_OTHER_PARTS = 16  # fields besides the files
_MAX_PART_HEADERS = 2 * 1024
_MAX_SHOWN = 80  # bytes of a client's own text that an answer repeats
_BOUNDARY = re.compile(
    rb'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^;\s"]{1,70}))\s*(?:;|$)', re.IGNORECASE
)
# What browsers, curl and httpx write; however else the header may be written, the two patterns below it read.
_USUAL_DISPOSITION = re.compile(
    rb'\r\nContent-Disposition: form-data; name="([^"\\\r\n]*)"(?:; filename="([^"\\\r\n]*)")?\r\n', re.IGNORECASE
)
_DISPOSITION = re.compile(rb"^content-disposition:\s*form-data\b([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(rb';\s*([\w*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))')


class Upload(NamedTuple):
    """One uploaded file, or another part of a form."""

    field: bytes
    filename: bytes  # never used as a path
    content: bytes

    @property
    def name(self) -> str:
        """What errors call it."""
        return _shown(self.filename) or _shown(self.field)


class LabeledImage(NamedTuple):
    """One uploaded file and what it shows."""

    upload: Upload
    label: str


class OneImageRoute(DirectRoute):
    """A direct route that takes one image."""

    @staticmethod
    def max_body_bytes(settings: Settings) -> int:
        """One image and the form around it."""
        return settings.max_image_bytes + _FORM_OVERHEAD

    @staticmethod
    def is_light(call: Call, length: int) -> bool:
        """An image of about 28×28 pixels, not to be scaled down from any size."""
        return length <= _LIGHT_IMAGE_BYTES and not _may_resize(call.query)


class ManyImagesRoute(DirectRoute):
    """A direct route that takes many images."""

    @staticmethod
    def max_body_bytes(settings: Settings) -> int:
        """All images with the form around them."""
        return settings.max_batch_bytes

    @staticmethod
    def is_light(call: Call, length: int) -> bool:
        """Few images, and none to be scaled down from any size."""
        return length <= _LIGHT_BATCH_BYTES and not _may_resize(call.query)


def _may_resize(query: bytes) -> bool:
    return b"resize" in query or b"%" in query  # which may escape it


def read_image(call: Call) -> Upload:
    """The one image of a call: the form's part `file`, or the whole body where its type is image/*.

    Raises:
        BadRequestError: a form that can't be read, or that has no part `file` or several.
        UnsupportedMediaTypeError: the body is neither a form nor an image.
    """
    content_type = call.header_fields.get(b"content-type", b"")
    if content_type.lower().startswith((b"image/", b"application/octet-stream")):
        call.image = bytes(call.content)
        return Upload(b"The body", b"", call.image)
    files = _files(call, b"file", max_files=1)
    if len(files) > 1:
        raise BadRequestError(f"The form has {len(files)} parts named 'file'; send one, or several to /predict/batch.")
    call.image = files[0].content
    return files[0]


def read_images(call: Call) -> list[Upload]:
    """The images of a call, each to be decoded: the form's parts `files`.

    Raises:
        BadRequestError: a form that can't be read, or that has no part `files`.
        TooLargeError: it has too many.
        UnsupportedMediaTypeError: the body is not a form.
    """
    max_files = call.components.settings.max_batch_images
    files = _files(call, b"files", max_files)
    if len(files) > max_files:
        raise TooManyImagesError(f"The form has {len(files):,} files; the limit is {max_files:,}.")
    return files


def _files(call: Call, field: bytes, max_files: int) -> list[Upload]:
    boundary = _boundary(call.header_fields.get(b"content-type", b""))
    parts = split_form(call.content, boundary, max_files + _MAX_OTHER_PARTS)
    files = [part for part in parts if part.field == field]
    if not files:
        names = ", ".join(repr(_shown(part.field)) for part in parts) or "none"
        raise BadRequestError(f"The form has no part named {_shown(field)!r}; it has {names}.")
    return files


def decode(call: Call, upload: Upload, options: FittingOptions, among: int = 1) -> bytes:
    """What the model is to see of an uploaded file, as `read_pixels` returns it.

    Args:
        call: the request.
        upload: the file.
        options: how to fit the image to the model.
        among: how many files the request has; they share the pixels that one request may have resized.

    Raises:
        BadRequestError: the file is empty.
        TooLargeError: it is over the limit of one image.
        ImageError: it can't be classified.
    """
    settings = call.components.settings
    if not upload.content:
        raise BadRequestError(f"{upload.name} is empty.")
    if len(upload.content) > settings.max_image_bytes:
        raise TooLargeError(
            f"{upload.name} has {len(upload.content):,} bytes; the limit is {settings.max_image_bytes:,}."
        )
    max_pixels = min(settings.max_image_pixels, settings.max_batch_pixels // among)
    return read_pixels(
        upload.content, name=upload.name, resize=options.resize, invert=options.invert, max_pixels=max_pixels
    )


def read_labeled_images(call: Call) -> list[LabeledImage]:
    """The images of a call, each to be decoded, and their labels: as many parts `file` as `label`, in one order.

    Raises:
        BadRequestError: a form that can't be read, without images, or not one label for each.
        TooLargeError: it has too many images.
        UnsupportedMediaTypeError: the body is not a form.
    """
    max_files = call.components.settings.max_batch_images
    boundary = _boundary(call.header_fields.get(b"content-type", b""))
    parts = split_form(call.content, boundary, 2 * max_files + _MAX_OTHER_PARTS)
    files = [part for part in parts if part.field == b"file"]
    labels = [part.content.decode("utf-8", "replace") for part in parts if part.field == b"label"]
    if not files or len(files) != len(labels):
        raise BadRequestError(
            f"The form has {len(files)} parts named 'file' and {len(labels)} named 'label'; send one label a file."
        )
    if len(files) > max_files:
        raise TooManyImagesError(f"The form has {len(files):,} files; the limit is {max_files:,}.")
    return [LabeledImage(*pair) for pair in zip(files, labels, strict=True)]


def split_form(body: bytes | memoryview, boundary: bytes, max_parts: int) -> list[Upload]:
    """Split a multipart/form-data body (RFC 7578) into its parts, without copying any of them twice.

    A strict reader for a body that is in memory already; python-multipart, which reads any stream, takes six times as
    long for one image. The tests hold the two against each other.

    Raises:
        BadRequestError: the body is not made of whole parts.
        TooLargeError: it has more than `max_parts`.
    """
    delimiter = b"\r\n--" + boundary
    opening, *sections = (b"\r\n" + body).split(delimiter, max_parts + 1)
    if not sections:
        raise BadRequestError("The form has no part: the boundary that Content-Type names is not in the body.")
    *sections, epilogue = sections
    del opening  # whatever stands before the first boundary, or after the last, means nothing
    if not epilogue.startswith(b"--"):
        if len(sections) == max_parts:
            raise TooLargeError(f"The form has more than {max_parts} parts, the limit for files and fields together.")
        raise BadRequestError("The form is cut off: its closing boundary is missing.")
    return [_part(section) for section in sections]


def _part(section: bytes) -> Upload:
    end = section.find(b"\r\n\r\n", 0, _MAX_PART_HEADERS)
    usual = _USUAL_DISPOSITION.match(section)
    if usual is not None and end > 0:
        return Upload(usual[1], usual[2] or b"", section[end + 4 :])
    disposition = _DISPOSITION.search(section, 0, max(end, 0))
    if disposition is None:
        raise BadRequestError("A part of the form has no readable 'Content-Disposition: form-data' header.")
    parameters = {key.lower(): quoted or token for key, quoted, token in _PARAMETER.findall(disposition[1])}
    if b"name" not in parameters:
        raise BadRequestError("A part of the form has no name.")
    return Upload(parameters[b"name"], parameters.get(b"filename", b""), section[end + 4 :])


def _boundary(content_type: bytes) -> bytes:
    match = _BOUNDARY.match(content_type)
    if match is not None:
        boundary: bytes = match[1] or match[2]
        return boundary
    if content_type.lower().startswith(b"multipart/form-data"):
        raise BadRequestError("Content-Type multipart/form-data names no boundary of 1 to 70 characters.")
    found = f"is {_shown(content_type)!r}" if content_type else "is missing"
    raise UnsupportedMediaTypeError(
        f"Content-Type {found}; send multipart/form-data, or the image itself as image/png, image/jpeg, ..."
    )


def _shown(text: bytes) -> str:
    shown = text[:_MAX_SHOWN].decode("utf-8", "replace")
    return shown if len(text) <= _MAX_SHOWN else shown + "…"
