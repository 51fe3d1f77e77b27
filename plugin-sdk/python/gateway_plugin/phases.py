"""The phases as componentize-py looks for them: a class each, which calls the plugin's method."""

import json
from typing import Any

from componentize_py_types import Err
from wit_world.imports import config
from wit_world.imports.types import (
    BodyFlow_Next,
    BodyFlow_Replace,
    BodyFlow_Respond,
    Flow_AwaitBody,
    Flow_Next,
    Flow_Respond,
)

import gateway_plugin
from gateway_plugin import AWAIT_BODY, Response

_instance: Any = None


def check(module: str) -> None:
    """Fails the build rather than the first request."""
    if gateway_plugin.made() is None:
        raise TypeError(f"{module}.py marks no class with @plugin")


def instance() -> Any:
    """The plugin, made with its configuration: by `configure`, or by the first phase where there is none."""
    global _instance
    if _instance is None:
        _instance = gateway_plugin.made()(json.loads(config.get()))
    return _instance


def _flow(returned: Any) -> Any:
    if returned is None:
        return Flow_Next()
    if returned is AWAIT_BODY:
        return Flow_AwaitBody()
    if isinstance(returned, Response):
        return Flow_Respond(returned.lower())
    raise TypeError(f"a head phase returns None, AWAIT_BODY or a Response, not {type(returned).__name__}")


def _body_flow(returned: Any) -> Any:
    if returned is None:
        return BodyFlow_Next()
    if isinstance(returned, (bytes, bytearray)):
        return BodyFlow_Replace(bytes(returned))
    if isinstance(returned, str):
        return BodyFlow_Replace(returned.encode())
    if isinstance(returned, Response):
        return BodyFlow_Respond(returned.lower())
    raise TypeError(f"a body phase returns None, bytes, str or a Response, not {type(returned).__name__}")


class Configure:
    def configure(self) -> None:
        try:
            instance()
        except ValueError as error:
            raise Err(str(error))


class OnRequest:
    def on_request(self) -> Any:
        return _flow(instance().on_request())


class OnRequestBody:
    def on_request_body(self, body: bytes) -> Any:
        return _body_flow(instance().on_request_body(body))


class Handle:
    def handle(self, body: bytes) -> Any:
        return instance().handle(body).lower()


class OnResponse:
    def on_response(self) -> Any:
        return _flow(instance().on_response())


class OnResponseBody:
    def on_response_body(self, body: bytes) -> Any:
        return _body_flow(instance().on_response_body(body))


class OnComplete:
    def on_complete(self, summary: Any) -> None:
        instance().on_complete(summary)
