"""Plugins for `gateway` in Python.

    from gateway_plugin import log, plugin, request, response

    @plugin
    class Hello:
        def __init__(self, config):             # once for each instance; raise ValueError to refuse
            self.greeting = config.get("greeting", "hello")

        def on_request(self):                   # None: go on
            log.info(f"{self.greeting} for {request.path()}")

        def on_response(self):
            response.set_header("x-hello", self.greeting)

A method is a phase: `on_request`, `on_request_body(body)`, `handle(body)`, `on_response`, `on_response_body(body)`,
`on_complete(summary)`; `plugin.toml` names those that are there. `on_request` and `on_response` return None to go on, a Response to
answer, or AWAIT_BODY. Body phases return None to leave the body, bytes to replace it, or a Response to answer.

`request`, `response`, `exchange`, `metrics`, `clock`, `random` and `kv` are the functions of gateway.wit; so are `http`, `limit`, `secrets`
and `crypto` where `plugin.toml` asks for them. What fails raises `componentize_py_types.Err`. There is no other way out: no files, no
sockets, no environment; time and randomness come from `clock` and `random`, since Python's own stand still.
"""

import json as _json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Callable, Dict, List, Optional, Union

from componentize_py_types import Err
from wit_world.imports import clock, exchange, kv, metrics, random, request, response
from wit_world.imports import log as _log
from wit_world.imports.types import Field
from wit_world.imports.types import Response as _Response

# What a grant opens is in the world only where plugin.toml asks for it.
try:
    from wit_world.imports import http
except ImportError:
    http = None
try:
    from wit_world.imports import limit
except ImportError:
    limit = None
try:
    from wit_world.imports import secrets
except ImportError:
    secrets = None
try:
    from wit_world.imports import crypto
except ImportError:
    crypto = None

Headers = Dict[str, Union[str, List[str]]]


class Await(Enum):
    """What `on_request` and `on_response` may return beside None and a Response."""

    BODY = "body"


#: Gather the body and call the body phase.
AWAIT_BODY = Await.BODY


@dataclass
class Response:
    """An answer. A body that is text is sent as UTF-8."""

    status: int = 200
    headers: Headers = field(default_factory=dict)
    body: Union[str, bytes] = b""

    @staticmethod
    def json(value: Any, status: int = 200, headers: Optional[Headers] = None) -> "Response":
        """A JSON document."""
        return Response(status, {"content-type": "application/json", **(headers or {})}, _json.dumps(value, separators=(",", ":")))

    @staticmethod
    def problem(status: int, title: str, detail: str, headers: Optional[Headers] = None) -> "Response":
        """Problem details (RFC 9457)."""
        document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        return Response.json(document, status, {"content-type": "application/problem+json", **(headers or {})})

    def lower(self) -> _Response:
        """As the gateway takes it."""
        body = self.body.encode() if isinstance(self.body, str) else bytes(self.body)
        return _Response(self.status, fields(self.headers), body)


def fields(headers: Headers) -> List[Field]:
    """Header fields as the gateway takes them; several lines of a name are a list."""
    lines = ((name, values if isinstance(values, list) else [values]) for name, values in headers.items())
    return [Field(name, value.encode("latin-1")) for name, values in lines for value in values]


class log:
    """The gateway's log; each entry carries the plugin's name and the request id."""

    @staticmethod
    def debug(message: str) -> None:
        _log.log(_log.Level.DEBUG, message)

    @staticmethod
    def info(message: str) -> None:
        _log.log(_log.Level.INFO, message)

    @staticmethod
    def warn(message: str) -> None:
        _log.log(_log.Level.WARN, message)

    @staticmethod
    def error(message: str) -> None:
        _log.log(_log.Level.ERROR, message)


def call(url: str, method: str = "GET", headers: Optional[Headers] = None, body: Union[str, bytes] = b"", timeout: Optional[int] = None) -> Any:
    """A request for `http.fetch` and `http.fetch_all`; `timeout` in milliseconds."""
    content = body.encode() if isinstance(body, str) else body
    return http.Request(method, url, fields(headers or {}), content, timeout)


_plugin: Optional[Callable[[Any], Any]] = None


def plugin(made: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Marks the class of the plugin. It is called with the configuration, what JSON makes of the TOML table."""
    global _plugin
    _plugin = made
    return made


def made() -> Optional[Callable[[Any], Any]]:
    """The class that was marked."""
    return _plugin


__all__ = [
    "AWAIT_BODY", "Err", "Field", "Response", "call", "clock", "crypto", "exchange", "fields", "http", "kv", "limit", "log", "metrics",
    "plugin", "random", "request", "response", "secrets",
]
