"""What OpenAPI says of bodies that FastAPI can't derive from a signature."""

from typing import Any

from app.records.told import TellableLabel

__all__ = ["labels", "many_images", "one_image"]

_IMAGE = {"type": "string", "format": "binary", "description": "PNG, JPEG, BMP, GIF, WebP, TIFF or PGM; one frame"}


def one_image() -> dict[str, Any]:
    """A body with one image: the form's part `file`, or the image itself."""
    form = {"type": "object", "required": ["file"], "properties": {"file": _IMAGE}}
    content = {"multipart/form-data": {"schema": form}, "image/*": {"schema": _IMAGE}}
    return {"requestBody": {"required": True, "content": content}}


def many_images() -> dict[str, Any]:
    """A form whose parts `files` are images."""
    form = {"type": "object", "required": ["files"], "properties": {"files": {"type": "array", "items": _IMAGE}}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def labels() -> dict[str, Any]:
    """Labels by id, as JSON or NDJSON; or a form with as many parts `label` as parts `file`, in the same order."""
    files = {"type": "array", "items": _IMAGE, "minItems": 1}
    names = {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "the truth, one a file"}
    form = {"type": "object", "required": ["file", "label"], "properties": {"file": files, "label": names}}
    told = TellableLabel.model_json_schema()
    content = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": {"anyOf": [told, {"type": "array", "items": told}]}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "such an object a line"}},
    }
    return {"requestBody": {"required": True, "content": content}}
