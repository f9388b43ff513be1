"""TLS servers with given certificates, which note whether a client sends a request.

Run as a program with the words ADDRESS PORT CERTIFICATE KEY for each server, it prints "ready" and
serves until its standard input ends.
"""

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class TlsServer:
    """One server: where it listens, and what clients did."""

    host: str
    port: int
    handshakes: int = 0
    requests: list[bytes] = field(default_factory=list)


@contextmanager
def tls_server(
    certificate: Path, key: Path, *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[TlsServer]:
    """A server with that certificate; port 0 is a free one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server((host, port)) as listening:
        server = TlsServer(host, listening.getsockname()[1])
        threading.Thread(target=_serve, args=(listening, context, server), daemon=True).start()
        yield server


def _serve(listening: socket.socket, context: ssl.SSLContext, server: TlsServer) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:
            return  # closed
        with suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as secured:
            server.handshakes += 1
            with suppress(ssl.SSLError):
                if said := secured.recv(1024):
                    server.requests.append(said)


def main() -> None:
    """Serve as the command line says."""
    words = sys.argv[1:]
    with ExitStack() as stack:
        for start in range(0, len(words), 4):
            host, port, certificate, key = words[start : start + 4]
            server = tls_server(Path(certificate), Path(key), host=host, port=int(port))
            stack.enter_context(server)
        print("ready", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
