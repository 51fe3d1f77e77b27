"""The aggregator in Python: several services in one answer."""

from gateway_plugin import Response, call, http, plugin, request
from componentize_py_types import Ok


@plugin
class Aggregator:
    def __init__(self, config):
        self.parts = sorted(config["parts"].items())

    def handle(self, body):
        path = request.path()
        results = http.fetch_all([call(url.replace("{path}", path)) for _, url in self.parts])
        members, missing = [], []
        for (name, _), result in zip(self.parts, results):
            if isinstance(result, Ok) and 200 <= result.value.status < 300:
                members.append(f'"{name}":'.encode() + result.value.body)
            else:
                members.append(f'"{name}":null'.encode())
                missing.append(name)
        headers = {"content-type": "application/json"}
        if missing:
            headers["x-degraded"] = ", ".join(missing)
        return Response(200, headers, b"{" + b",".join(members) + b"}")
