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
        """The object of a key, or of all keys below it, with the version that etcd has of each."""
        body = {"key": _b64(key + "/" if below else key)}
        if below:
            body["range_end"] = _b64(key + "0")  # "0" follows "/"
        found = self.ask("range", body).get("kvs", [])
        return [_versioned(base64.b64decode(pair["value"]), pair["mod_revision"]) for pair in found]

    def create(self, key: str, value: bytes) -> bool:
        """Put the value, unless the key exists."""
        absent = {"key": _b64(key), "target": "CREATE", "create_revision": "0"}
        put = {"request_put": {"key": _b64(key), "value": _b64(value)}}
        return bool(self.ask("txn", {"compare": [absent], "success": [put]}).get("succeeded"))

    def put(self, key: str, value: bytes) -> None:
        """Put the value."""
        self.ask("put", {"key": _b64(key), "value": _b64(value)})

    def replace(self, key: str, value: bytes, version: str) -> bool:
        """Put the value, unless the key has another version by now."""
        same = {"key": _b64(key), "target": "MOD", "mod_revision": version}
        put = {"request_put": {"key": _b64(key), "value": _b64(value)}}
        return bool(self.ask("txn", {"compare": [same], "success": [put]}).get("succeeded"))

    def delete(self, key: str) -> None:
        """Remove the key."""
        self.ask("deleterange", {"key": _b64(key)})


def _b64(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def _versioned(value: bytes, version: str) -> bytes:
    item = json.loads(value)
    item.setdefault("metadata", {})["resourceVersion"] = version
    return json.dumps(item).encode()


def merged(item: object, changes: object) -> object:
    """A JSON merge patch (RFC 7386)."""
    if not isinstance(changes, dict):
        return changes
    result = dict(item) if isinstance(item, dict) else {}
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


class Handler(BaseHTTPRequestHandler):
    """One request."""

    etcd: Etcd
    protocol_version = "HTTP/1.1"
    """Connections are kept, as kube-apiserver keeps them."""

    def do_GET(self) -> None:
        """An object, a list of objects, or whether etcd has quorum."""
        url = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path in {"/readyz", "/livez", "/healthz"}:
            self._answered(self._health)
        elif self._allowed():
            self._answered(lambda: self._read(url.path, given))

    def do_POST(self) -> None:
        """A new object, or a pod evicted."""
        body = json.loads(self._body())
        if self._allowed():
            evicts = self.path.endswith("/eviction")
            self._answered(self._evict if evicts else lambda: self._create(body))

    def do_PUT(self) -> None:
        """An object anew, over the version that the writer read."""
        body = self._body()
        if self._allowed():
            self._answered(lambda: self._replace(body))

    def do_PATCH(self) -> None:
        """An object with a merge patch."""
        changes = json.loads(self._body())
        if self._allowed():
            self._answered(lambda: self._patch(changes))

    def do_DELETE(self) -> None:
        """An object gone."""
        if self._allowed():
            self._answered(self._delete)

    def _health(self) -> tuple[int, bytes]:
        self.etcd.get("health")
        return 200, b"ok"

    def _read(self, path: str, given: dict[str, str]) -> tuple[int, bytes]:
        if found := self.etcd.get(PREFIX + path):
            return 200, found[0]
        collection = path.rsplit("/", 1)[-1].endswith("s") and path.count("/") in {3, 5}
        if not collection:
            return 404, b"not found"
        if path == "/api/v1/pods":
            items = [item for item in self._objects("/api/v1/namespaces") if item["kind"] == "Pod"]
        else:
            items = self._objects(path)
        if label := given.get("labelSelector"):
            items = [item for item in items if label in item["metadata"].get("labels", {})]
        if node := given.get("fieldSelector", "").removeprefix("spec.nodeName="):
            items = [item for item in items if item["spec"].get("nodeName") == node]
        return 200, json.dumps({"items": items}).encode()

    def _objects(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(value) for value in self.etcd.get(PREFIX + path, below=True)]

    def _create(self, body: dict[str, Any]) -> tuple[int, bytes]:
        value = json.dumps(body).encode()
        key = f"{PREFIX}{self.path}/{body['metadata']['name']}"
        return (201, value) if self.etcd.create(key, value) else (409, b"AlreadyExists")

    def _replace(self, body: bytes) -> tuple[int, bytes]:
        version = json.loads(body)["metadata"].get("resourceVersion")
        if not version:
            self.etcd.put(PREFIX + self.path, body)
        elif not self.etcd.replace(PREFIX + self.path, body, version):
            return 409, b"the object has been modified"
        return 200, body

    def _patch(self, changes: dict[str, Any]) -> tuple[int, bytes]:
        path = urlsplit(self.path).path
        while found := self.etcd.get(PREFIX + path):
            item = json.loads(found[0])
            value = json.dumps(merged(item, changes)).encode()
            if self.etcd.replace(PREFIX + path, value, item["metadata"]["resourceVersion"]):
                return 200, value
        return 404, b"not found"

    def _evict(self) -> tuple[int, bytes]:
        """As pods/eviction does: 429 where a budget allows no disruption now."""
        path = self.path.removesuffix("/eviction")
        found = self.etcd.get(PREFIX + path)
        if not found:
            return 404, b"not found"
        labels = json.loads(found[0])["metadata"].get("labels", {}).items()
        budgets = f"{path.rsplit('/', 2)[0]}/poddisruptionbudgets".replace(
            "/api/v1", "/apis/policy/v1"
        )
        for budget in self._objects(budgets):
            matches = budget["spec"]["selector"]["matchLabels"].items() <= labels
            if matches and not budget["status"]["disruptionsAllowed"]:
                cause = {
                    "message": f"The disruption budget {budget['metadata']['name']} needs more"
                }
                said = "Cannot evict pod as it would violate the pod's disruption budget."
                return 429, json.dumps({"message": said, "details": {"causes": [cause]}}).encode()
        self.etcd.delete(PREFIX + path)
        return 201, b"{}"

    def _delete(self) -> tuple[int, bytes]:
        self.etcd.delete(PREFIX + self.path)
        return 200, b"{}"

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _allowed(self) -> bool:
        """Whether the client has shown a certificate of the cluster's CA, and may do this."""
        certificate = self.connection.getpeercert()
        if not certificate:
            self._send(401, b"Unauthorized")
            return False
        subject = {name: value for ((name, value),) in certificate["subject"]}
        user = subject.get("commonName", "")
        if user.startswith("system:node:") and not self._node_may(user):
            self._send(403, f"{user} may not {self.command} {self.path}".encode())
            return False
        return True

    def _node_may(self, user: str) -> bool:
        """As the Node authorizer, NodeRestriction and RBAC decide, for what nodes ask in updates."""
        url, name = urlsplit(self.path), user.removeprefix("system:node:")
        path, own = url.path, f"spec.nodeName={name}"
        if path == "/api/v1/pods":
            return parse_qs(url.query).get("fieldSelector") == [own]
        if path.endswith("/eviction"):
            pod = self.etcd.get(PREFIX + path.removesuffix("/eviction"))
            return not pod or json.loads(pod[0])["spec"].get("nodeName") == name
        if path.startswith("/api/v1/nodes/") and self.command != "GET":
            return path == f"/api/v1/nodes/{name}"
        if path.startswith("/api/v1/namespaces/khgen/"):
            return self._role_allows(user, *path.split("/")[5:])
        return True

    def _role_allows(self, user: str, resource: str, name: str = "") -> bool:
        verb = {"GET": "get", "PUT": "update", "PATCH": "patch"}.get(self.command, "")
        roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/khgen/"
        names = {
            binding["roleRef"]["name"]
            for binding in self._objects(roles + "rolebindings")
            for subject in binding["subjects"]
            if subject["name"] in {user, "system:nodes"}
        }
        return any(
            resource in rule["resources"]
            and verb in rule["verbs"]
            and name in rule["resourceNames"]
            for role in self._objects(roles + "roles")
            if role["metadata"]["name"] in names
            for rule in role["rules"]
        )

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
    address = given.get("bind-address", "")
    server = Server((address, int(given.get("secure-port", "6443"))), Handler)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    server.serve_forever()


if __name__ == "__main__":
    main()
