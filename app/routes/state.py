"""What routes take from the application's state."""

from typing import Annotated

from fastapi import Depends, Request

from app.live_models import LiveModels
from app.settings import Settings
from app.telemetry import Telemetry

__all__ = ["Models", "models", "settings", "telemetry"]


def models(request: Request) -> LiveModels:
    found: LiveModels = request.app.state.models
    return found


def telemetry(request: Request) -> Telemetry:
    found: Telemetry = request.app.state.telemetry
    return found


def settings(request: Request) -> Settings:
    found: Settings = request.app.state.settings
    return found


Models = Annotated[LiveModels, Depends(models)]
