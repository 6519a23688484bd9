"""`GET /models`, `/models/{name}`, `/models/{name}/templates`: what is loaded, how good it is, what it has learned."""

from typing import Annotated, NotRequired

from fastapi import Path, Query
from pydantic import Field
from typing_extensions import TypedDict

from app.classifier.metadata import Metadata
from app.engine.openapi import problems
from app.engine.routes import Router
from app.parts import DepParts
from app.records.errors import RecordsError
from app.rollout.comparison import Evidence, Fall
from app.serving.answers import Templates
from app.serving.live_model import LiveModel
from app.serving.live_models import LiveModels
from app.serving.places import Role


class VersionCard(TypedDict):
    """One version of a model."""

    version: Annotated[str, Field(description="the first 12 hex digits of its file's SHA-256")]
    metadata: Annotated[Metadata, Field(description="what its file says of it")]


class ModelCard(TypedDict):
    """One model that is served: the version that answers, and those that stand by."""

    name: Annotated[str, Field(description="of its folder")]
    version: Annotated[str, Field(description="that answers: the first 12 hex digits of its file's SHA-256")]
    default: Annotated[bool, Field(description="whether it answers when none is named")]
    metadata: Annotated[Metadata, Field(description="what its file says of it")]
    challenger: NotRequired[Annotated[VersionCard, Field(description="that answers nobody yet")]]
    previous: NotRequired[Annotated[VersionCard, Field(description="that answered before")]]
    evidence: NotRequired[Annotated[Evidence, Field(description="for the challenger, where one model is asked for")]]
    fall: NotRequired[Annotated[Fall, Field(description="whether it is worse in use than on its test set")]]
    evidence_problem: NotRequired[Annotated[str, Field(description="why there is neither")]]
    refused: NotRequired[Annotated[dict[Role, str], Field(description="why a file that lies there is not held")]]


class ModelList(TypedDict):
    """All models, and why model files were refused; of those an earlier version may be among the models.

    `problem` says why the models folder can't be read, where it can't.
    """

    models: Annotated[list[ModelCard], Field(description="those that are served")]
    failed: Annotated[dict[str, str], Field(description="by name, why a model file was refused")]
    problem: NotRequired[Annotated[str, Field(description="why the models folder can't be read; absent where it can")]]


router = Router(prefix="/models", tags=["models"])

ModelName = Annotated[str, Path(description="of the model's folder")]


@router.get("")
def list_models(parts: DepParts) -> ModelList:
    """Every model that is served, and every model file that was refused; an earlier version may be served on."""
    models = parts.models
    listed: ModelList = {
        "models": [_card(model, models) for model in models],
        "failed": models.failures,
    }
    if models.folder_problem:
        listed["problem"] = models.folder_problem
    return listed


@router.get("/{name}", responses=problems(404, 503))
def show_model(name: ModelName, parts: DepParts) -> ModelCard:
    """One model: its version, labels, origin and evaluation, and those of its challenger and previous version.

    What the labels say: whether it has fallen below its test accuracy; and of a challenger, whether it is better, and
    what is missing to promote it.
    """
    model = parts.models.get(name)
    card = _card(model, parts.models)
    try:
        fall = parts.rollouts.fall(model)
        if fall is not None:
            card["fall"] = fall
        challenger = parts.models.versions(name).get("challenger")
        if challenger is not None and "challenger" in card:
            card["evidence"] = parts.rollouts.evidence(name, model, challenger)
    except RecordsError as error:
        card["evidence_problem"] = str(error)
    return card


@router.get("/{name}/templates", responses=problems(404, 503))
def show_templates(
    name: ModelName,
    parts: DepParts,
    version: Annotated[
        str | None, Query(description="that answers, or stands by; without it, the one that answers")
    ] = None,
) -> Templates:
    """One model's weights: per class a 28×28 map, positive where a white pixel speaks for the class."""
    return parts.models.get(name, version).templates()


def _card(champion: LiveModel, models: LiveModels) -> ModelCard:
    held = models.versions(champion.name)
    card: ModelCard = {
        "name": champion.name,
        "version": champion.version,
        "default": champion.name == models.default_name,
        "metadata": champion.metadata,
    }
    if "challenger" in held:
        card["challenger"] = _version_card(held["challenger"])
    if "previous" in held:
        card["previous"] = _version_card(held["previous"])
    refused = {place.role: reason for place, reason in models.refusals.items() if place.model == champion.name}
    if refused:
        card["refused"] = refused
    return card


def _version_card(model: LiveModel) -> VersionCard:
    return {"version": model.version, "metadata": model.metadata}
