"""The application: wiring only."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from threading import Lock
from typing import Any

import anyio.to_thread
import torch
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app import __version__
from app.classifier.errors import ClassifierError
from app.engine.access import Access, Admins
from app.engine.cors import CrossOrigin
from app.engine.dispatcher import Dispatcher
from app.engine.front import Front
from app.engine.keys import Keys
from app.engine.limits import Limits
from app.engine.neighbors import Neighbors
from app.engine.openapi import add_schemas, require_key
from app.engine.problems import Problem, RequestError
from app.engine.routes import methods_at
from app.errors import PROBLEMS
from app.open_inference import repository
from app.open_inference import routes as open_inference
from app.open_inference.schemas import ProtocolProblem
from app.open_inference.statistics import InferenceCounters
from app.parts import Parts
from app.process.draining import Draining
from app.process.following import apart, follow
from app.process.memory import give_back_large_blocks
from app.process.request_log import RequestLog
from app.process.server import end_with_launcher
from app.process.shared_counters import sharing
from app.records.database import Database
from app.records.errors import RecordsError
from app.records.records import Records
from app.records.told import TellableLabel
from app.rollout.errors import RolloutError
from app.rollout.ledger import Ledger
from app.rollout.rollouts import Rollouts
from app.rollout.shadow import Shadow
from app.routes import explain, feedback, health, metrics, page, predict, predict_batch, review
from app.routes import models as models_routes
from app.routes import rollouts as rollouts_routes
from app.serving.errors import ServingError
from app.serving.live_models import LiveModels
from app.serving.telemetry import Telemetry
from app.settings import Settings

__all__ = ["Service", "create_app"]

_ROUTERS = (
    predict.router,
    predict_batch.router,
    explain.router,
    feedback.router,
    review.router,
    open_inference.direct_router,
    open_inference.probes,
    open_inference.router,
    repository.router,
    models_routes.router,
    rollouts_routes.router,
    metrics.router,
    health.router,
    page.router,
)
_ROUTES = [route for router in _ROUTERS for route in router.routes]
_OPEN_PATHS = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})  # which need no key
_ALWAYS_ANSWERED = _OPEN_PATHS | {"/metrics"}  # however much there is to do
_PROBLEM_MODELS = {"/v2/": ProtocolProblem}  # by the start of a path, where there is more to tell
_SENT_HEADERS = (  # that pages of other origins may send; the last three are what uploaders and tracers add
    "Authorization",
    "X-API-Key",
    "X-Request-ID",
    "Content-Encoding",
    "Inference-Header-Content-Length",
    "Cache-Control",
    "X-Requested-With",
    "traceparent",
)
_SWITCH_SECONDS = 0.0005  # for which a thread that runs Python may keep the event loop from it; 0.005 otherwise
_THREADS = 4  # for what goes through FastAPI: each more that computes holds the event loop up for a longer while
_READ_HEADERS = ("X-Request-ID", "X-Model-Version", "Retry-After", "Inference-Header-Content-Length")


class Service(FastAPI):
    """FastAPI behind the front."""

    dispatcher: Dispatcher
    outermost: ASGIApp  # the front, or what stands before it

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._describing = Lock()  # which takes most of a second, once

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.outermost(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """FastAPI's description of the service, with its problems and keys."""
        with self._describing:
            if self.openapi_schema is None:
                self.openapi_schema = self._described()
            return self.openapi_schema

    def _described(self) -> dict[str, Any]:
        document = super().openapi()
        add_schemas(document, (Problem, *_PROBLEM_MODELS.values(), TellableLabel))
        if self.state.parts.settings.needs_key:
            require_key(document, _OPEN_PATHS, _PROBLEM_MODELS)
        return document


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
        routes=_ROUTES,
        openapi_url=None,  # app.routes.page has it, and /docs
        redoc_url=None,
        servers=[{"url": "."}],  # beside this description, whatever prefix that has
        root_path_in_servers=False,
    )
    settings = settings or Settings()
    rollouts = Rollouts(settings.models_dir, Database(settings.records.get_secret_value()), settings.min_accuracy)
    rollouts.finish_all()
    models = LiveModels(settings.models_dir, settings.default_model, settings.min_accuracy)
    telemetry = Telemetry(models)
    records = Records(
        settings.records.get_secret_value(),
        settings.record,
        settings.record_share,
        settings.record_days,
        registry=telemetry.registry,
    )
    shadow = Shadow(models, records, telemetry.registry)
    app.state.inferences = InferenceCounters(telemetry.registry)
    telemetry.also_forget(app.state.inferences.forget)
    app.state.parts = Parts(
        settings,
        models,
        telemetry,
        Draining(settings.drain_seconds),
        RequestLog(settings.log_format, enabled=settings.log_requests),
        records,
        PROBLEMS,
        shadow,
        Ledger(telemetry, records, shadow),
        rollouts,
        Admins(_admin_keys(settings)),
        _access(settings),
    )
    app.dispatcher = Dispatcher(
        _ROUTES,
        PROBLEMS,
        _limits(settings),
        given={"parts": app.state.parts, "inferences": app.state.inferences},
        access=app.state.parts.access,
        neighbors=Neighbors(settings.allowed_hosts, settings.cors_origins, _OPEN_PATHS),
        always_answered=_ALWAYS_ANSWERED,
        answers_other_origins=bool(settings.cors_origins),
        on_answered=app.state.parts.note,
        on_shed=app.state.parts.shed,
        begin_thread=lambda: torch.set_num_threads(1),
    )
    app.outermost = Front(super(Service, app).__call__, app.dispatcher, settings.root_path)
    if settings.cors_origins:
        app.outermost = CrossOrigin(
            app.outermost,
            app.dispatcher,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=(*_SENT_HEADERS, *settings.cors_headers),
            expose_headers=_READ_HEADERS,
        )
    app.mount("/static/swagger-ui", page.swagger_ui)
    app.mount("/static", page.static_files)
    for kind in (
        RequestError,
        ServingError,
        RecordsError,
        RolloutError,
        ClassifierError,
        HTTPException,
        RequestValidationError,
        Exception,
    ):
        app.add_exception_handler(kind, _refuse)
    return app


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_file_bytes=settings.max_image_bytes,
        max_body_bytes=settings.max_batch_bytes,
        max_head_bytes=settings.max_header_bytes,
        max_pending_bytes=settings.max_pending_bytes,
        turn_seconds=settings.max_delay_ms / 1000,
        head_seconds=settings.header_seconds,
        body_seconds=settings.body_seconds,
        idle_seconds=settings.idle_seconds,
    )


def _access(settings: Settings) -> Access | None:
    """The check that the settings ask for; None: there are no keys.

    Raises:
        ValueError: the file of the keys can't be read.
    """
    if not settings.needs_key:
        return None
    keys = [key.get_secret_value() for key in settings.api_keys]
    return Access(Keys([*keys, *_admin_keys(settings).values()], settings.api_keys_file), _OPEN_PATHS)


def _admin_keys(settings: Settings) -> dict[str, str]:
    """By the administrator's name."""
    named = (key.get_secret_value().partition(":") for key in settings.admin_keys)
    return {name: key for name, _, key in named}


@asynccontextmanager
async def _lifespan(app: Service) -> AsyncIterator[dict[str, Dispatcher]]:
    give_back_large_blocks()
    torch.set_num_threads(1)  # the work of one request is too small to share out
    sys.setswitchinterval(_SWITCH_SECONDS)
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    gc.collect()
    gc.freeze()  # what is loaded now stays: full collections need not walk it, and p99 keeps near p50
    parts: Parts = app.state.parts
    # Inference mode is entered once: per request it would cost more than the matrix product.
    with (
        parts.draining.on_sigterm(),
        sharing(),
        parts.request_log.running(),
        parts.records.running(),
        torch.inference_mode(),
    ):
        end_with_launcher()
        seconds = parts.settings.models_poll_seconds
        following = [asyncio.create_task(follow("The models folder", parts.look_at_models, seconds))]
        if parts.access is not None:
            look = partial(apart, parts.access.refresh)
            following.append(asyncio.create_task(follow("The file of the API keys", look, seconds)))
        yield {"dispatcher": app.dispatcher}
        app.dispatcher.conclude()
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = methods_at(request.scope, request.app.routes)
        error.headers = {"Allow": ", ".join(methods)}
    path = request.scope["path"].removeprefix(request.scope["root_path"])
    return PROBLEMS.response(error, path, request.scope["request_id"])
