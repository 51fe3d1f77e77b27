"""The key check in Python: refuses requests without a known key, and names the consumer of the others."""

import hmac

from gateway_plugin import Response, exchange, plugin, request


@plugin
class KeyCheck:
    def __init__(self, config):
        self.header = config.get("header", "x-api-key")
        written = config.get("keys")
        if not isinstance(written, str):
            raise ValueError("`keys` must be text with lines `name:key`")
        entries = [entry.strip() for entry in written.replace(",", "\n").split("\n")]
        self.keys = [parse(entry) for entry in entries if entry]
        if not self.keys:
            raise ValueError("`keys` is empty: nobody could ever be let in")

    def on_request(self):
        given = request.header(self.header)
        consumer = None if given is None else self.consumer_of(given)
        if consumer is None:
            return Response.problem(401, "Unauthorized", "A valid API key is required.", {"www-authenticate": "ApiKey"})
        exchange.set_attribute("consumer", consumer)
        request.remove_header(self.header)
        return None

    def consumer_of(self, given):
        # Takes as long for a wrong key as for a right one of the same length.
        found = [consumer for consumer, key in self.keys if hmac.compare_digest(key.encode(), given.encode())]
        return found[0] if found else None


def parse(entry):
    """The entry itself may be a key: no error repeats it."""
    name, colon, key = entry.partition(":")
    if not colon:
        raise ValueError("`keys`: an entry is not `name:key`")
    name, key = name.strip(), key.strip()
    if not name or not key:
        raise ValueError("`keys`: a name or a key is empty")
    return name, key
