"""What OpenAPI says of problems and keys, which FastAPI can't derive from a signature."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter

from app.engine.problems import PROBLEM_MEDIA_TYPE, Problem

__all__ = ["add_schemas", "problems", "require_key"]


def problems(*statuses: int, model: type = Problem) -> dict[int | str, dict[str, Any]]:
    """The problem documents that a route may answer with; and that any other refusal is one, too."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}
    refusals: dict[int | str, dict[str, Any]] = {"default": {"description": "Any other refusal", "content": content}}
    for status in statuses:
        refusals[status] = {"description": HTTPStatus(status).phrase, "content": content}
    return refusals


def add_schemas(document: dict[str, Any], models: Iterable[type]) -> None:
    """Add to an OpenAPI document what it refers to and FastAPI knows nothing of, such as problems."""
    schemas = document["components"]["schemas"]
    schemas.update({model.__name__: TypeAdapter(model).json_schema() for model in models})


_KEY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "for browsers: the key as password, any user name"},
}


def require_key(document: dict[str, Any], open_paths: AbstractSet[str], models: Mapping[str, type]) -> None:
    """Add to an OpenAPI document that every path but the open ones takes an API key, and how it refuses.

    Args:
        document: is changed.
        open_paths: which need no key.
        models: by the start of a path, what its problems look like where they are more than a `Problem`.
    """
    document.setdefault("components", {})["securitySchemes"] = _KEY_SCHEMES
    document["security"] = [{name: []} for name in _KEY_SCHEMES]
    for path, operations in document["paths"].items():
        model = next((model for start, model in models.items() if f"{path}/".startswith(start)), Problem)
        for operation in operations.values():
            if path in open_paths:
                operation["security"] = []
            else:
                operation["responses"]["401"] = problems(401, model=model)[401]
