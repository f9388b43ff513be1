"""In place of kube-apiserver: objects in the real etcd, behind the node's real certificates."""

import base64
import http.client
import json
import ssl
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from standin.node import flags

PREFIX = "/standin"


class Etcd:
    """Keys and values over etcd's HTTP gateway (etcd: api-grpc-gateway)."""

    def __init__(self, given: dict[str, str], service: str = "kv") -> None:
        self._service = service
        self._servers = [urlsplit(url) for url in given["etcd-servers"].split(",")]
        self._context = ssl.create_default_context(cafile=given["etcd-cafile"])
        self._context.load_cert_chain(given["etcd-certfile"], given["etcd-keyfile"])

    def ask(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer of the first member that gives one."""
        last = OSError("no server of etcd was tried")
        for server in self._servers:
            connection = http.client.HTTPSConnection(
                server.hostname or "", server.port, context=self._context, timeout=3
            )
            try:
                connection.request("POST", f"/v3/{self._service}/{call}", json.dumps(body))
                answer = connection.getresponse()
                said = answer.read()
                if answer.status == 200:
                    return dict(json.loads(said))
                last = OSError(said.decode(errors="replace"))
            except (OSError, http.client.HTTPException) as error:
                last = OSError(f"{server.netloc}: {error}")
            finally:
                connection.close()
        raise last

    def get(self, key: str, *, below: bool = False) -> list[bytes]:
        """The value of a key, or of all keys below it."""
        body = {"key": _b64(key + "/" if below else key)}
        if below:
            body["range_end"] = _b64(key + "0")  # "0" follows "/"
        found = self.ask("range", body).get("kvs", [])
        return [base64.b64decode(pair["value"]) for pair in found]

    def create(self, key: str, value: bytes) -> bool:
        """Put the value, unless the key exists."""
        absent = {"key": _b64(key), "target": "CREATE", "create_revision": "0"}
        put = {"request_put": {"key": _b64(key), "value": _b64(value)}}
        return bool(self.ask("txn", {"compare": [absent], "success": [put]}).get("succeeded"))

    def put(self, key: str, value: bytes) -> None:
        """Put the value."""
        self.ask("put", {"key": _b64(key), "value": _b64(value)})

    def delete(self, key: str) -> None:
        """Remove the key."""
        self.ask("deleterange", {"key": _b64(key)})


def _b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def has_label(item: dict[str, Any], selector: str) -> bool:
    """A selector is a label's name, or its name and value."""
    labels, (name, _, value) = item["metadata"].get("labels", {}), selector.partition("=")
    return name in labels and value in {"", labels[name]}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    etcd: Etcd
    protocol_version = "HTTP/1.1"
    """Connections are kept, as kube-apiserver keeps them."""

    def do_GET(self) -> None:
        """An object, a list of objects, or whether etcd has quorum."""
        url = urlsplit(self.path)
        path, label = url.path, parse_qs(url.query).get("labelSelector", [""])[0]
        if path in {"/readyz", "/livez", "/healthz"}:
            self._answered(self._health)
        elif self._known():
            self._answered(lambda: self._read(path, label))

    def do_POST(self) -> None:
        """A new object."""
        if self._known():
            self._answered(lambda: self._create(json.loads(self._body())))

    def do_PUT(self) -> None:
        """An object anew."""
        body = self._body()
        if self._known():
            self._answered(lambda: self._replace(body))

    def do_DELETE(self) -> None:
        """An object gone."""
        if self._known():
            self._answered(self._delete)

    def _health(self) -> tuple[int, bytes]:
        self.etcd.get("health")
        return 200, b"ok"

    def _read(self, path: str, label: str) -> tuple[int, bytes]:
        if found := self.etcd.get(PREFIX + path):
            return 200, found[0]
        collection = path.rsplit("/", 1)[-1].endswith("s") and path.count("/") in {3, 5}
        if not collection:
            return 404, b"not found"
        items = [json.loads(value) for value in self.etcd.get(PREFIX + path, below=True)]
        if label:
            items = [item for item in items if has_label(item, label)]
        return 200, json.dumps({"items": items}).encode()

    def _create(self, body: dict[str, Any]) -> tuple[int, bytes]:
        value = json.dumps(body).encode()
        key = f"{PREFIX}{self.path}/{body['metadata']['name']}"
        return (201, value) if self.etcd.create(key, value) else (409, b"AlreadyExists")

    def _replace(self, body: bytes) -> tuple[int, bytes]:
        self.etcd.put(PREFIX + self.path, body)
        return 200, body

    def _delete(self) -> tuple[int, bytes]:
        self.etcd.delete(PREFIX + self.path)
        return 200, b"{}"

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _known(self) -> bool:
        """Whether the client has shown a certificate of the cluster's CA."""
        if self.connection.getpeercert():
            return True
        self._send(401, b"Unauthorized")
        return False

    def _answered(self, answer: Callable[[], tuple[int, bytes]]) -> None:
        try:
            self._send(*answer())
        except OSError as error:
            self._send(500, str(error).encode())

    def _send(self, status: int, said: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: probes come every second."""


class Server(ThreadingHTTPServer):
    """Its listening socket is wrapped; the handshake is each connection's own thread's."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve as the command line says."""
    given = flags(sys.argv[1:])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given["tls-cert-file"], given["tls-private-key-file"])
    context.load_verify_locations(given["client-ca-file"])
    context.verify_mode = ssl.CERT_OPTIONAL
    Handler.etcd = Etcd(given)
    server = Server(("", int(given.get("secure-port", "6443"))), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
