"""The application: wiring only."""

import asyncio
import gc
import logging
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import torch
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import __version__
from app.classifier.errors import ClassifierError
from app.engine.access import OPEN_PATHS, access
from app.engine.front import Front
from app.engine.routes import DirectRoute
from app.errors import ServiceError, problem_response
from app.open_inference import routes as open_inference
from app.parts import Components
from app.process.draining import Draining
from app.process.logs import RequestLog
from app.process.memory import give_back_large_blocks
from app.routes import bodies as documentation
from app.routes import explain, feedback, health, metrics, page, predict, predict_batch
from app.routes import models as models_routes
from app.serving.live_models import LiveModels
from app.serving.telemetry import Telemetry
from app.settings import Settings

__all__ = ["Service", "create_app"]

logger = logging.getLogger(__name__)

_ROUTERS = (
    predict.router,
    predict_batch.router,
    explain.router,
    feedback.router,
    open_inference.direct_router,
    open_inference.probes,
    open_inference.router,
    models_routes.router,
    metrics.router,
    health.router,
    page.router,
)
_CORS: dict[str, Any] = {
    "allow_methods": ("GET", "HEAD", "POST"),
    "allow_headers": ("Authorization", "X-API-Key", "X-Request-ID", "Inference-Header-Content-Length"),
    "expose_headers": ("X-Request-ID", "X-Model-Version", "Retry-After", "Inference-Header-Content-Length"),
}


class Service(FastAPI):
    """FastAPI behind the front."""

    front: Front
    outermost: ASGIApp  # the front, or what stands before it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.outermost(scope, receive, send)


def create_app(settings: Settings | None = None) -> Service:
    """Build the service: `uvicorn --factory app.main:create_app`.

    Args:
        settings: None takes them from SOFTMAX_* environment variables.
    """
    app = Service(
        title="softmax-serving",
        summary="Class probabilities of 28×28 grayscale images, by softmax regression.",
        version=__version__,
        lifespan=_lifespan,
    )
    settings = settings or Settings()
    models = LiveModels(settings.models_dir, settings.default_model, settings.min_accuracy)
    app.state.components = Components(
        settings,
        models,
        Telemetry(models),
        Draining(settings.drain_seconds),
        access(settings),
        RequestLog(settings.log_format, enabled=settings.log_requests),
    )
    direct = [route for router in _ROUTERS for route in router.routes if isinstance(route, DirectRoute)]
    app.engine.front = Front(super(Service, app).__call__, direct, app.state.components)
    app.outermost = app.engine.front
    if settings.cors_origins:
        app.outermost = CORSMiddleware(app.engine.front, allow_origins=settings.cors_origins, **_CORS)
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/static", page.files)
    for kind in (ServiceError, ClassifierError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _refuse)
    if settings.needs_key:
        documentation.require_key(app.openapi(), OPEN_PATHS)
    return app


@asynccontextmanager
async def _lifespan(app: Service) -> AsyncIterator[dict[str, Front]]:
    give_back_large_blocks()
    torch.set_num_threads(1)  # the work of one request is too small to share out
    gc.collect()
    gc.freeze()  # what is loaded now stays: full collections need not walk it, and p99 keeps near p50
    parts: Components = app.state.components
    # Inference mode is entered once: per request it would cost more than the matrix product.
    with parts.draining.on_sigterm(), parts.request_log.running(), torch.inference_mode():
        _end_with_launcher()
        following = asyncio.create_task(_follow_files(parts))
        yield {"front": app.engine.front}
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


def _end_with_launcher() -> None:
    """Have a worker stop when its launcher is gone: nobody would replace it, and it would keep the port."""
    launcher = multiprocessing.parent_process()
    if launcher is None:
        return
    loop, sentinel = asyncio.get_running_loop(), launcher.sentinel

    def end() -> None:
        loop.remove_reader(sentinel)
        logger.error("The launcher is gone.")
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(sentinel, end)


async def _follow_files(parts: Components) -> None:
    """Serve what the models folder holds, and accept the keys in their file, as they change.

    Files are read in a thread, while the service answers.
    """
    while True:
        await asyncio.sleep(parts.settings.models_poll_seconds)
        try:
            if parts.access is not None:
                await asyncio.to_thread(parts.access.refresh)
            parts.telemetry.count_changes(await asyncio.to_thread(parts.models.refresh))
        except Exception:
            logger.exception("The models folder could not be looked at; what is loaded goes on being served.")


async def _refuse(request: Request, error: Exception) -> Response:
    return problem_response(error, request.url.path, request.scope["request_id"])
