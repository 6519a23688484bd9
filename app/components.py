"""The parts of one running service, made by `create_app` and handed to the front and to every route."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.live_models import LiveModels
from app.settings import Settings
from app.telemetry import Telemetry

__all__ = ["Components", "Parts"]


@dataclass(frozen=True, slots=True)
class Components:
    """What endpoints work with."""

    settings: Settings
    models: LiveModels
    telemetry: Telemetry


def _components(request: Request) -> Components:
    parts: Components = request.app.state.components
    return parts


Parts = Annotated[Components, Depends(_components)]
