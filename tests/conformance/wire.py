"""HTTP as it goes over the wire: any bytes as path and body, nothing tidied up on the way."""

import dataclasses
import http.client
import json
import threading
import urllib.parse

SECONDS = 30  # longer than any answer may take


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode("utf-8", "replace")


class Connections(threading.local):
    """One connection kept open per thread and address."""

    def __init__(self):
        self.kept = {}

    def get(self, address):
        if address not in self.kept:
            self.kept[address] = http.client.HTTPConnection(address, timeout=SECONDS)
        return self.kept[address]

    def drop(self, address):
        if connection := self.kept.pop(address, None):
            connection.close()


CONNECTIONS = Connections()


def send(method, url, body=None, headers=()):
    """`body`: bytes as they are, None for none, anything else as JSON. `url` may hold what no URL should."""
    parts = urllib.parse.urlsplit(url)
    path = url.split(parts.netloc, 1)[1] or "/"
    sent = dict(headers)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    for last in (False, True):
        connection = CONNECTIONS.get(parts.netloc)
        try:
            # putrequest and not request: request() would refuse some of the paths that are tried here.
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            if body is not None or method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(body or b"")))
            try:
                connection.endheaders(body)
            except (BrokenPipeError, ConnectionResetError):
                # Refused before all of it was sent; the reason must be there to be read.
                if connection.sock is None:
                    raise
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
            if response.will_close:
                CONNECTIONS.drop(parts.netloc)
            return answer
        except (http.client.HTTPException, OSError):
            # A server may close a connection whose request it refused half-way; a new one must do.
            CONNECTIONS.drop(parts.netloc)
            if last:
                raise
