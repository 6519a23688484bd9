"""The conftest.py with which uvicorn's own tests of its HTTP protocol run on our connections: `make test-uvicorn`.

The tests come from uvicorn's source distribution; whatever they use of it besides the protocol is here.
"""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from uvicorn.config import LOGGING_CONFIG, Config

from app.engine.connections.connection import Connection
from app.engine.dispatcher import Dispatcher
from app.engine.limits import Limits

# What we do otherwise on purpose; strictly: a test that passes all the same must leave this list.
DIFFERENCES = {
    "test_keepalive_timeout": "one timer of ours for all deadlines, not one for each request",
    "test_keepalive_timeout_with_pipelined_requests": "the same",
    "test_keepalive_timeout_with_pipelined_websocket_upgrade": "the same, and no upgrades",
    "test_invalid_http_request": "a problem document in the place of a text",
    "test_early_response": "an answer before its body has come is the connection's last: the body is dropped, not read",
    "test_shutdown_during_idle": "a quarter of a second of grace for what was sent before the client could know",
    "test_supported_upgrade_request": "no protocol is upgraded to, websockets among them",
    "test_unsupported_ws_upgrade_request_warn_on_auto": "that is no fault to warn of",
    "test_header_upgrade_is_not_websocket_depend_installed": "nor is this",
    "test_header_upgrade_is_websocket_depend_not_installed": "nor this",
    "test_lifespan_state": "connections find the dispatcher in the state",
}
OF_H11 = "h11"

LOGGING_CONFIG["loggers"]["uvicorn"]["propagate"] = True  # as in uvicorn's own conftest.py, for caplog


class ConnectionOfApp(Connection):
    """A connection to any ASGI application, that has its turn as soon as it has read."""

    def __init__(self, config: Config, app_state: dict[str, Any], **named: Any) -> None:
        config.load()
        dispatcher = Dispatcher((), limits=Limits(turn_seconds=60))
        super().__init__(config=config, app_state=app_state | {"dispatcher": dispatcher}, **named)

    @property
    def scope(self) -> Any:
        return self._detour.scope if self._detour is not None else None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        run_soon(self.loop)


def run_soon(loop: Any) -> None:
    while loop.soon:
        loop.soon.pop(0)()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if OF_H11 not in item.name]
    for item in items:
        reason = DIFFERENCES.get(item.name.partition("[")[0])
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(autouse=True)
def mocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What uvicorn's mocks lack, as its protocol asks for less."""
    loop, transport = request.module.MockLoop, request.module.MockTransport
    original = loop.run_one

    async def run_one(self: Any) -> Any:
        result = await original(self)
        run_soon(self)
        return result

    def call_soon(self: Any, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    original_init = loop.__init__

    def init(self: Any) -> None:
        original_init(self)
        self.soon = []

    for name, method in {"__init__": init, "run_one": run_one, "call_soon": call_soon}.items():
        monkeypatch.setattr(loop, name, method, raising=False)
    monkeypatch.setattr(transport, "get_write_buffer_size", lambda _: 0, raising=False)
    monkeypatch.setattr(transport, "can_write_eof", lambda _: False, raising=False)  # so that one step closes it
    monkeypatch.setattr(transport, "abort", transport.close, raising=False)


@pytest.fixture
def http_protocol_cls() -> type[Connection]:
    return ConnectionOfApp


@pytest.fixture
def ws_protocol_cls() -> str:
    return "none"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
