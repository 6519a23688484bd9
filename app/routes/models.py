"""`GET /models`, `/models/{name}`, `/models/{name}/templates`: what is loaded, how good it is, what it has learnt."""

from typing import NotRequired

from fastapi import APIRouter
from typing_extensions import TypedDict

from app.classifier.metadata import Metadata
from app.engine.openapi import problems
from app.parts import DepParts
from app.serving.answers import Templates
from app.serving.live_model import LiveModel


class ModelCard(TypedDict):
    """One model that is served."""

    name: str
    version: str
    default: bool
    metadata: Metadata


class ModelList(TypedDict):
    """All models, and why model files were refused; of those an earlier version may be among the models.

    `problem` says why the models folder can't be read, where it can't.
    """

    models: list[ModelCard]
    failed: dict[str, str]
    problem: NotRequired[str]


router = APIRouter(prefix="/models", tags=["models"])


@router.get("")
async def list_models(parts: DepParts) -> ModelList:
    """Every model that is served, and every model file that was refused; an earlier version may be served on."""
    models = parts.models
    listed: ModelList = {
        "models": [_card(model, models.default_name) for model in models],
        "failed": models.failures,
    }
    if models.folder_problem:
        listed["problem"] = models.folder_problem
    return listed


@router.get("/{name}", responses=problems(404, 503))
async def show_model(name: str, parts: DepParts) -> ModelCard:
    """One model: its version, labels, origin and evaluation."""
    return _card(parts.models.get(name), parts.models.default_name)


@router.get("/{name}/templates", responses=problems(404, 503))
async def show_templates(name: str, parts: DepParts) -> Templates:
    """One model's weights: per class a 28×28 map, positive where a white pixel speaks for the class."""
    return parts.models.get(name).templates()


def _card(model: LiveModel, default_name: str) -> ModelCard:
    return {
        "name": model.name,
        "version": model.version,
        "default": model.name == default_name,
        "metadata": model.metadata,
    }
