"""The same PKI work by khgen, openssl and (KHGEN_KUBE_BIN) kubeadm, in turn, as ratios.

    .venv/bin/python benchmarks/pki.py --workers 200 --runs 5

Every figure is that of whole processes, the two sides in turn, so that a machine whose speed drifts
does not favour one. khgen's side computes; neither side's output goes further than a temporary folder.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

WORKERS_BY_KHGEN = """
import sys
from datetime import datetime, UTC
from khgen.pki.credentials import node_credentials
from khgen.pki.secrets import new_secrets
from khgen.plan.cluster_plan import build_plan
from khgen.spec.load import load_spec
import os
spec = load_spec(open(sys.argv[1]).read(), "cluster.yaml").spec
secrets = new_secrets(spec, datetime.now(UTC), os.urandom)
plan = build_plan(spec, secrets.founders)
for node in plan.workers if sys.argv[2] == "workers" else plan.control_planes:
    for file in node_credentials(plan, node, secrets).files:
        path = sys.argv[3] + "/" + node.name + "-" + str(file.path).replace("/", "-")
        open(path, "w").write(file.content)
"""

WORKERS_BY_OPENSSL = """
set -eu
cd "$2"
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -subj /CN=kubernetes -days 3650 -out ca.crt
printf 'keyUsage=critical,digitalSignature,keyEncipherment\\nextendedKeyUsage=clientAuth\\n' >ext
for i in $(seq "$1"); do
  openssl ecparam -name prime256v1 -genkey -noout -out w$i.key
  openssl req -new -key w$i.key -subj "/O=system:nodes/CN=system:node:w$i" -out w$i.csr
  openssl x509 -req -in w$i.csr -CA ca.crt -CAkey ca.key -days 365 -extfile ext -out w$i.crt 2>/dev/null
done
"""

KUBEADM_CONFIG = """\
apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.32.0.10}
nodeRegistration: {name: cp}
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
kubernetesVersion: 1.29.6
controlPlaneEndpoint: 10.32.0.2:8443
certificatesDir: FOLDER/pki
featureGates: {PublicKeysECDSA: ECDSA}
"""


def spec(workers: int) -> str:
    """A cluster with one control plane."""
    rows = [
        f"  - {{name: w{i}, role: worker, address: 10.32.{i // 250 + 1}.{i % 250 + 1}}}"
        for i in range(workers)
    ]
    head = (
        "apiVersion: khgen/v1alpha1\nkind: Cluster\nmetadata: {name: bench}\n"
        "controlPlaneEndpoint: {vip: 10.32.0.2, port: 8443}\n"
        "networking: {podSubnet: 172.16.0.0/12, serviceSubnet: 192.168.0.0/16}\n"
        'os: {family: debian, release: "12"}\nnodes:\n'
        "  - {name: cp, role: control-plane, address: 10.32.0.10}"
    )
    return "\n".join((head, *rows, ""))


def timed(work: Callable[[Path], None]) -> float:
    """The seconds that the work takes in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        work(Path(name))
        return time.perf_counter() - started


def khgen(which: str, text: str) -> Callable[[Path], None]:
    """khgen's side, in a separate process."""

    def work(folder: Path) -> None:
        (folder / "cluster.yaml").write_text(text, encoding="utf-8")
        command = [sys.executable, "-c", WORKERS_BY_KHGEN, str(folder / "cluster.yaml"), which]
        subprocess.run([*command, str(folder)], check=True)

    return work


def openssl(workers: int) -> Callable[[Path], None]:
    """openssl's side: a key, a request and a certificate for each worker."""

    def work(folder: Path) -> None:
        command = ["bash", "-c", WORKERS_BY_OPENSSL, "openssl", str(workers), str(folder)]
        subprocess.run(command, check=True)

    return work


def kubeadm(folder_of_binaries: str, keys: str) -> Callable[[Path], None]:
    """kubeadm's side: the certificates and kubeconfigs of one control plane."""

    def work(folder: Path) -> None:
        text = KUBEADM_CONFIG.replace("FOLDER", str(folder)).replace("ECDSA}", f"{keys}}}")
        (folder / "kubeadm.yaml").write_text(text, encoding="utf-8")
        program = f"{folder_of_binaries}/kubeadm"
        config = f"--config={folder}/kubeadm.yaml"
        subprocess.run(
            [program, "init", "phase", "certs", "all", config], check=True, capture_output=True
        )
        subprocess.run(
            [program, "init", "phase", "kubeconfig", "all", config, f"--kubeconfig-dir={folder}"],
            check=True,
            capture_output=True,
        )

    return work


def compare(
    title: str, ours: Callable[[Path], None], theirs: Callable[[Path], None], runs: int
) -> None:
    """One row: the medians of both sides, and the median of the ratios pair by pair."""
    pairs = [(timed(ours), timed(theirs)) for _ in range(runs)]
    ratio = statistics.median(other / own for own, other in pairs)
    own, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    sys.stdout.write(f"| {title} | {own:.3f} s | {other:.3f} s | {ratio:.1f} |\n")
    sys.stdout.flush()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    workers, runs = arguments.workers, arguments.runs
    sys.stdout.write("| work | khgen | other | khgen is faster by |\n|---|---|---|---|\n")
    title = f"{workers} worker identities, against openssl"
    compare(title, khgen("workers", spec(workers)), openssl(workers), runs)
    if binaries := os.environ.get("KHGEN_KUBE_BIN"):
        ours = khgen("control-planes", spec(0))
        title = "one control plane's PKI and kubeconfigs, against kubeadm"
        compare(f"{title}, ECDSA", ours, kubeadm(binaries, "true"), runs)
        compare(f"{title}, RSA (its default)", ours, kubeadm(binaries, "false"), runs)


if __name__ == "__main__":
    main()
