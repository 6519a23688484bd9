"""`GET /models`, `/models/{name}`, `/models/{name}/templates`: what is loaded, how good it is, what it has learnt."""

from fastapi import APIRouter

from app.parts import Parts
from app.routes.bodies import problems
from app.serving.answers import ModelCard, ModelList, Templates
from app.serving.live_model import LiveModel

router = APIRouter(prefix="/models", tags=["models"])


@router.get("")
async def list_models(parts: Parts) -> ModelList:
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
async def show_model(name: str, parts: Parts) -> ModelCard:
    """One model: its version, labels, origin and evaluation."""
    return _card(parts.models.get(name), parts.models.default_name)


@router.get("/{name}/templates", responses=problems(404, 503))
async def show_templates(name: str, parts: Parts) -> Templates:
    """One model's weights: per class a 28×28 map, positive where a white pixel speaks for the class."""
    return parts.models.get(name).templates()


def _card(model: LiveModel, default_name: str) -> ModelCard:
    return {
        "name": model.name,
        "version": model.version,
        "default": model.name == default_name,
        "metadata": model.metadata,
    }
