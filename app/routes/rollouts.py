"""`POST /models/{name}/promote`, `/rollback`, `GET /models/{name}/history`: which version answers, and who said so."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import Field
from typing_extensions import TypedDict

from app.engine.openapi import problems
from app.engine.routes import Router
from app.parts import DepAdministrator, DepParts
from app.records.decision import Decision


class DecisionReport(TypedDict):
    """A promotion or a rollback."""

    time: Annotated[datetime, Field(description="when it was made, in UTC")]
    model: Annotated[str, Field(description="its name")]
    action: Annotated[str, Field(description="promotion or rollback")]
    who: Annotated[str, Field(description="the name of a key, the command line, or the rule")]
    evidence: Annotated[Any, Field(description="as it was then; null: it was not asked")]
    from_version: Annotated[str, Field(description="that answered before; empty: its file could not be read")]
    from_sha256: Annotated[str, Field(description="of its file")]
    to_version: Annotated[str, Field(description="that answers since")]
    to_sha256: Annotated[str, Field(description="of its file")]


class History(TypedDict):
    """Every decision about a model, the newest first."""

    model: Annotated[str, Field(description="its name")]
    decisions: Annotated[list[DecisionReport], Field(description="the newest first")]


router = Router(prefix="/models", tags=["models"])

ModelName = Annotated[str, Path(description="of the model's folder")]


@router.post("/{name}/promote", responses=problems(401, 403, 404, 409))
async def promote(
    name: ModelName,
    parts: DepParts,
    administrator: DepAdministrator,
    *,
    force: Annotated[bool, Query(description="whatever the evidence")] = False,
) -> DecisionReport:
    """Have the challenger answer; the champion becomes the previous version. It takes evidence, and an admin's key."""
    decision = await run_in_threadpool(parts.rollouts.promote, name, administrator, force=force)
    await parts.look_at_models(only=name)
    return _report(decision)


@router.post("/{name}/rollback", responses=problems(401, 403, 404, 409))
async def roll_back(name: ModelName, parts: DepParts, administrator: DepAdministrator) -> DecisionReport:
    """Have the previous version answer again; the present one becomes the previous one. It takes an admin's key."""
    decision = await run_in_threadpool(parts.rollouts.roll_back, name, administrator)
    await parts.look_at_models(only=name)
    return _report(decision)


@router.get("/{name}/history", responses=problems(404, 503))
def show_history(name: ModelName, parts: DepParts) -> History:
    """Every decision about a model: when, who, on what evidence, and both versions."""
    return {"model": name, "decisions": [_report(row) for row in parts.rollouts.history(name)]}


def _report(decision: Decision) -> DecisionReport:
    before, after = decision.from_sha256 or "", decision.to_sha256 or ""
    return {
        "time": datetime.fromtimestamp(decision.time, UTC),
        "model": decision.model,
        "action": decision.action,
        "who": decision.who,
        "evidence": decision.evidence,
        "from_version": before[:12],
        "from_sha256": before,
        "to_version": after[:12],
        "to_sha256": after,
    }
