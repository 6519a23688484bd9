"""The parts of one running service, made by `create_app` and handed to every endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request

from app.engine.access import Access, Admins
from app.engine.calls import Call
from app.engine.problems import Problems
from app.process.draining import Draining
from app.process.following import apart
from app.process.request_log import RequestLog
from app.records.records import Records
from app.rollout.ledger import Ledger
from app.rollout.rollouts import Rollouts
from app.rollout.shadow import Shadow
from app.serving.errors import NotReadyError
from app.serving.live_model import LiveModel
from app.serving.live_models import LiveModels
from app.serving.telemetry import Telemetry
from app.settings import Settings

__all__ = ["DepAdministrator", "DepParts", "Parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """What endpoints work with."""

    settings: Settings
    models: LiveModels
    telemetry: Telemetry
    draining: Draining
    request_log: RequestLog
    records: Records
    problems: Problems
    shadow: Shadow
    ledger: Ledger
    rollouts: Rollouts
    admins: Admins
    access: Access | None  # None: there are no keys, and everybody may ask

    def check_ready(self) -> None:
        """Do nothing where the default model can answer, now and for a while.

        Raises:
            NotReadyError: it is not loaded, or the service is about to stop.
        """
        if self.draining.begun:
            raise NotReadyError("The service is about to stop.")
        self.models.get()

    async def look_at_models(self, only: str | None = None) -> None:
        """Serve what the models folder holds, as `LiveModels.refresh`; files are read while the service answers."""
        self.telemetry.count_changes(await apart(partial(self.models.refresh, only)))

    def model(self, call: Call, name: str | None, version: str | None = None) -> LiveModel:
        """The model that is to answer a call, as its line of the log will say; raises what `LiveModels.get` does."""
        model = self.models.get(name, version)
        call.notes["model"], call.notes["version"] = model.name, model.version
        return model

    def note(self, calls: Sequence[Call]) -> None:
        """Count answered calls and what was answered, and leave their lines with the log."""
        self.telemetry.requests(calls)
        self.request_log.write(calls)
        self.ledger.settle()

    def shed(self, reason: str, count: int) -> None:
        """Count requests that were refused to keep the others fast, and let challengers rest."""
        self.telemetry.refused(reason, count)
        self.shadow.rest()


async def _parts(request: Request) -> Parts:  # not in a thread, which FastAPI would take otherwise
    parts: Parts = request.app.state.parts
    return parts


DepParts = Annotated[Parts, Depends(_parts)]


async def _administrator(request: Request, parts: DepParts) -> str:
    return parts.admins.name_of(request.method, dict(request.scope["headers"]))


DepAdministrator = Annotated[str, Depends(_administrator)]  # the name of the admin who asks; all others are refused
