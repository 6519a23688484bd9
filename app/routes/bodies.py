"""What OpenAPI says of bodies and refusals that FastAPI can't derive from a signature."""

from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from app.errors import PROBLEM_MEDIA_TYPE
from app.open_inference.schemas import ProtocolProblem
from app.serving.answers import Problem

__all__ = ["labeled_images", "many_images", "one_image", "problems", "require_key"]

_IMAGE = {"type": "string", "format": "binary", "description": "PNG, JPEG, BMP, GIF, WebP, TIFF or PGM; one frame"}


def problems(*statuses: int, model: type = Problem) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with; and that any other refusal is one, too."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": TypeAdapter(model).json_schema()}}
    refusals: dict[int | str, dict[str, Any]] = {"default": {"description": "Any other refusal", "content": content}}
    for status in statuses:
        refusals[status] = {"description": HTTPStatus(status).phrase, "content": content}
    return refusals


def one_image() -> dict[str, Any]:
    """A body with one image: the form's part `file`, or the image itself."""
    form = {"type": "object", "required": ["file"], "properties": {"file": _IMAGE}}
    content = {"multipart/form-data": {"schema": form}, "image/*": {"schema": _IMAGE}}
    return {"requestBody": {"required": True, "content": content}}


def many_images() -> dict[str, Any]:
    """A form whose parts `files` are images."""
    form = {"type": "object", "required": ["files"], "properties": {"files": {"type": "array", "items": _IMAGE}}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def labeled_images() -> dict[str, Any]:
    """A form with as many parts `label` as parts `file`, in the same order."""
    files = {"type": "array", "items": _IMAGE, "minItems": 1}
    labels = {"type": "array", "items": {"type": "string"}, "minItems": 1, "description": "the truth, one a file"}
    form = {"type": "object", "required": ["file", "label"], "properties": {"file": files, "label": labels}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


_KEY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "for browsers: the key as password, any user name"},
}


def require_key(document: dict[str, Any], open_paths: AbstractSet[str]) -> None:
    """Add to an OpenAPI document that every path but the open ones takes an API key, and how it refuses."""
    document.setdefault("components", {})["securitySchemes"] = _KEY_SCHEMES
    document["security"] = [{name: []} for name in _KEY_SCHEMES]
    for path, operations in document["paths"].items():
        model = ProtocolProblem if f"{path}/".startswith("/v2/") else Problem
        for operation in operations.values():
            if path in open_paths:
                operation["security"] = []
            else:
                operation["responses"]["401"] = problems(401, model=model)[401]
