"""A registry of container images in the namespaces of a testbed, and a host that pulls from it as a kubelet does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from khgen.rehearse.cached_images import CONTAINERD, Image, write_archive
from khgen.rehearse.local_host import LocalHost
from khgen.rehearse.namespaces import Namespaces
from khgen.rehearse.processes import wait_until
from support.programs import require_program

PORT = 5000
CONFIGURATION = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "{address}:{port}"}}
"""
SOCKET = "/run/containerd/containerd.sock"
IMAGES = ("ctr", "-n", "k8s.io", "images")


@contextmanager
def registry(namespaces: Namespaces, address: str, folder: Path) -> Iterator[str]:
    """Debian's docker-registry at an address of the namespaces; gives its name and port."""
    program = require_program("docker-registry")
    folder.mkdir()
    configuration = folder / "registry.yml"
    text = CONFIGURATION.format(folder=folder, address=address, port=PORT)
    configuration.write_text(text, encoding="utf-8")
    process = namespaces.start([program, "serve", configuration], folder / "log")
    try:
        url = f"http://{address}:{PORT}/v2/"
        wait_until(lambda: namespaces.tries("curl", "-sf", "-m", "2", url) is not None, 60, url)
        yield f"{address}:{PORT}"
    finally:
        process.terminate()
        process.wait()


def push(host: LocalHost, image: Image, name: str) -> None:
    """Put an image into the registry under that name; the host keeps none of it."""
    inside = f"{CONTAINERD}/{image.name.rpartition('/')[2]}.tar"
    archive = host.testbed.folder / Path(inside).name
    write_archive(image, archive)
    shutil.move(archive, host.disk(CONTAINERD))
    host.run(*IMAGES, "import", inside)
    host.run(*IMAGES, "tag", image.name, name)
    host.run(*IMAGES, "push", "--plain-http", name)
    host.run(*IMAGES, "rm", "--sync", image.name, name)
    host.run("rm", inside)


def cri_pull(host: LocalHost, image: str) -> str:
    """What containerd answers when it is asked like a kubelet asks it: PullImage of the CRI.

    The message, PullImageRequest, has an ImageSpec as its field 1, which has the name as its own.
    """
    message = f"\x0a{chr(len(image) + 2)}\x0a{chr(len(image))}{image}"
    text = f"\0\0\0\0{chr(len(message))}{message}"
    service = "http://containerd/runtime.v1.ImageService/PullImage"
    headers = ("-H", "content-type: application/grpc", "-H", "te: trailers")
    command = ("curl", "-sS", "--http2-prior-knowledge", "--unix-socket", SOCKET, *headers)
    answer = ("-D", "-", "-o", "/dev/null", "--data-binary", "@-")
    return host.run(*command, *answer, service, text=text)
