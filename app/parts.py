"""The parts of one running service, made by `create_app` and handed to the front and to every route."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.engine.access import Access
from app.errors import NotReadyError
from app.process.draining import Draining
from app.process.logs import RequestLog
from app.serving.live_models import LiveModels
from app.serving.telemetry import Telemetry
from app.settings import Settings

__all__ = ["Components", "Parts"]


@dataclass(frozen=True, slots=True)
class Components:
    """What endpoints work with."""

    settings: Settings
    models: LiveModels
    telemetry: Telemetry
    draining: Draining
    access: Access | None  # None: everybody may ask
    request_log: RequestLog

    def check_ready(self) -> None:
        """Do nothing where the default model can answer, now and for a while.

        Raises:
            NotReadyError: it is not loaded, or the service is about to stop.
        """
        if self.draining.begun:
            raise NotReadyError("The service is about to stop.")
        self.models.get()


def _components(request: Request) -> Components:
    parts: Components = request.app.state.components
    return parts


Parts = Annotated[Components, Depends(_components)]
