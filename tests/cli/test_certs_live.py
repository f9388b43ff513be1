"""`khgen certs list --live`, in a network of its own where TLS servers have the hosts' addresses."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import SMALL_SPEC, khgen
from support.programs import require_namespaces
from support.rendered_out import node_files
from support.rendering import ROOT

pytestmark = pytest.mark.tools
SERVERS = {"10.9.0.11": "cp1", "10.9.0.12": "cp2", "10.9.0.13": "cp3"}
SCRIPT = """
set -e
ip link set lo up
for address in 10.9.0.2 10.9.0.11 10.9.0.12 10.9.0.13; do ip address add $address/32 dev lo; done
mkfifo stop
{python} -m support.tls_servers {servers} <stop >ready &
exec 3>stop
until grep -q ready ready; do sleep 0.1; done
NO_COLOR=1 {python} -m khgen certs list cluster.yaml --live || echo "exit code $?"
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the spec and its output; each control plane's certificate is beside them."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "cluster.yaml").write_text(SMALL_SPEC)
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    for name in SERVERS.values():
        files = node_files(folder / "out", name)
        for end in ("crt", "key"):
            content = files[f"/etc/kubernetes/pki/apiserver.{end}"]
            (folder / f"{name}.{end}").write_bytes(content)
    return folder


def live(folder: Path, servers: dict[str, str]) -> list[str]:
    """What the command prints while these servers run; the endpoint leads to cp2."""
    require_namespaces()
    words = [f"{address} 6443 {name}.crt {name}.key" for address, name in servers.items()]
    words.append("10.9.0.2 8443 cp2.crt cp2.key")
    script = SCRIPT.format(python=shlex.quote(sys.executable), servers=" ".join(words))
    done = subprocess.run(
        ["unshare", "--net", "bash", "-c", script],
        cwd=folder,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    (folder / "stop").unlink()
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_every_api_server_and_the_endpoint_are_as_rendered(rendered: Path) -> None:
    lines = live(rendered, SERVERS)
    assert [line.split()[0] for line in lines] == [
        "address", "10.9.0.11:6443", "10.9.0.12:6443", "10.9.0.13:6443", "10.9.0.2:8443",
    ]  # fmt: skip
    assert all(line.endswith("  as rendered") for line in lines[1:])
    assert "cp2, by the endpoint" in lines[-1]
    assert max(map(len, lines)) <= 100


def test_what_differs_is_shown_with_what_was_rendered(rendered: Path) -> None:
    lines = live(rendered, {"10.9.0.11": "cp1", "10.9.0.13": "cp2"})
    first, silent, reason, refused, mismatch, other, endpoint, end = lines[1:]
    assert first.endswith("  as rendered")
    assert (silent.split()[-2:], reason) == (["not", "seen"], "    connection refused")
    assert refused.endswith("  refused")
    assert mismatch.startswith("    ip address mismatch")
    assert other.startswith("    rendered: valid until ")
    assert endpoint.endswith("  as rendered")
    assert end == "exit code 2"


def test_a_renewal_that_no_node_has_yet_is_seen(rendered: Path, tmp_path: Path) -> None:
    for name in ("cluster.yaml", "small.secrets.yaml"):
        (tmp_path / name).write_bytes((rendered / name).read_bytes())
    (tmp_path / "out").symlink_to(rendered / "out")
    for name in SERVERS.values():
        for end in ("crt", "key"):
            (tmp_path / f"{name}.{end}").symlink_to(rendered / f"{name}.{end}")
    (tmp_path / "small.secrets.yaml").chmod(0o600)
    assert khgen("certs", "renew", "cluster.yaml", cwd=tmp_path).returncode == 0
    lines = live(tmp_path, SERVERS)
    states = [line.split("  ")[-1] for line in lines[1:-1:2]]
    assert states == ["older than rendered"] * 4
    assert lines[-1] == "exit code 2"


def with_cluster(content: str) -> str:
    """A kubeconfig with one cluster."""
    contexts = "current-context: a, contexts: [{name: a, context: {cluster: b}}]"
    return f"{{{contexts}, clusters: [{{name: b, cluster: {{{content}}}}}]}}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("current-context: [", "out/admin.conf:"),
        ("clusters: []", "not a kubeconfig with a current context: look at current-context"),
        ("{current-context: a, contexts: [], clusters: []}", "no context 'a'"),
        (with_cluster("server: x"), "cluster 'b' has no certificate-authority-data"),
        (
            with_cluster("certificate-authority-data: aGFsbG8="),
            "the CA in it is not a certificate",
        ),
    ],
)
def test_a_kubeconfig_without_a_ca_is_an_error(
    rendered: Path, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "some.conf").write_text(content)
    arguments = ("--live", "--kubeconfig", str(tmp_path / "some.conf"))
    done = khgen("certs", "list", "cluster.yaml", *arguments, cwd=rendered)
    assert done.returncode == 1, done.stderr
    assert message.replace("out/admin.conf", str(tmp_path / "some.conf")) in done.stderr


def test_a_kubeconfig_without_live_is_a_wrong_command_line(rendered: Path) -> None:
    arguments = ("--kubeconfig", "out/admin.conf")
    done = khgen("certs", "list", "cluster.yaml", *arguments, cwd=rendered)
    assert done.returncode == 2
    assert "--kubeconfig is for --live" in done.stderr
