"""A client of the API that a kubeconfig names, with the identity in it."""

import base64
import http.client
import json
import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Document = dict[str, Any]


class ApiError(Exception):
    """The API said no."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status


class Client:
    """Talks to one API server."""

    def __init__(self, kubeconfig: str | Path, server_url: str | None = None) -> None:
        config = yaml.safe_load(Path(kubeconfig).read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        server = urlsplit(server_url or cluster["server"])
        self._host, self._port = server.hostname or "", server.port or 443
        self._context = ssl.create_default_context(cafile=_file(cluster, "certificate-authority"))
        certificate, key = _file(user, "client-certificate"), _file(user, "client-key")
        self._context.load_cert_chain(certificate, key)

    def ask(self, method: str, path: str, body: Document | None = None) -> Document:
        """The answer to a request; raises ApiError and OSError."""
        connection = http.client.HTTPSConnection(
            self._host, self._port, context=self._context, timeout=5
        )
        try:
            connection.request(method, path, json.dumps(body) if body else None)
            answer = connection.getresponse()
            said = answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from None
        finally:
            connection.close()
        if answer.status >= 400:
            raise ApiError(answer.status, said.decode(errors="replace"))
        return dict(json.loads(said))

    def get(self, path: str) -> Document | None:
        """The object there, or None."""
        try:
            return self.ask("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def put(self, collection: str, body: Document) -> None:
        """Create the object, or replace it."""
        try:
            self.ask("POST", collection, body)
        except ApiError as error:
            if error.status != 409:
                raise
            self.ask("PUT", f"{collection}/{body['metadata']['name']}", body)


def _file(part: Mapping[str, str], name: str) -> str:
    """The path of what a kubeconfig has as a file, or holds as data."""
    if name in part:
        return part[name]
    memory = os.memfd_create(name)
    os.write(memory, base64.b64decode(part[f"{name}-data"]))
    return f"/proc/self/fd/{memory}"


@contextmanager
def ending(program: str) -> Iterator[None]:
    """Print what went wrong as the program would, and end with 1."""
    try:
        yield
    except (ApiError, OSError) as error:
        print(f"{program} (stand-in): {error}", file=sys.stderr)
        sys.exit(1)
