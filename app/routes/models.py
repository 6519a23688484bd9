"""`GET /models` and `GET /models/{name}`: what is loaded, with version and evaluation."""

from fastapi import APIRouter

from app.components import Parts
from app.live_models import LiveModel
from app.routes.documentation import problems
from app.schemas import ModelCard, ModelList

router = APIRouter(prefix="/models", tags=["models"])


@router.get("")
async def list_models(parts: Parts) -> ModelList:
    """Every model that is served, and every model file that could not be loaded."""
    return {
        "models": [_card(model, parts.models.default_name) for model in parts.models],
        "failed": parts.models.failures,
    }


@router.get("/{name}", responses=problems(404, 503))
async def show_model(name: str, parts: Parts) -> ModelCard:
    """One model: its version, labels, origin and evaluation."""
    return _card(parts.models.get(name), parts.models.default_name)


def _card(model: LiveModel, default_name: str) -> ModelCard:
    return {
        "name": model.name,
        "version": model.version,
        "default": model.name == default_name,
        "metadata": model.metadata,
    }
