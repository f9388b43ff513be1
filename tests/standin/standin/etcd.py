"""In place of kubeadm's joining of etcd: the real member, added as a learner and promoted
(app/util/etcd/etcd.go of 1.29: AddMemberAsLearner, MemberPromote)."""

import time
from typing import Any

from standin.apiserver import Etcd
from standin.client import Client
from standin.manifests import PKI, etcd_command, write_pod
from standin.node import Document

LABEL = "node-role.kubernetes.io/control-plane"
TRIES = 60


def join_etcd(init: Document, cluster: Document) -> None:
    """This machine's member, up to its vote."""
    address = str(init["localAPIEndpoint"]["advertiseAddress"])
    peer, etcd = _url(address, 2380), _members_of_control_planes()
    ours = [m for m in etcd.ask("member/list", {})["members"] if m["peerURLs"] == [peer]]
    if not ours:
        added = etcd.ask("member/add", {"peerURLs": [peer], "isLearner": True})
        ours = [added["member"]]
        name = init["nodeRegistration"]["name"]
        members = ",".join(f"{m.get('name') or name}={m['peerURLs'][0]}" for m in added["members"])
        init_with = [f"--initial-cluster={members}", "--initial-cluster-state=existing"]
        own = [w for w in etcd_command(init, cluster) if not w.startswith("--initial-cluster=")]
        write_pod("etcd", [*own, *init_with], init, cluster)
    _promote(etcd, ours[0])


def _promote(etcd: Etcd, member: dict[str, Any]) -> None:
    last = OSError("the member was never promoted")
    for _ in range(TRIES):
        try:
            etcd.ask("member/promote", {"ID": member["ID"]})
        except OSError as error:
            last = error
            if "not a learner" in str(error):
                return
            time.sleep(1)
        else:
            return
    raise last


def _members_of_control_planes() -> Etcd:
    client = Client("/etc/kubernetes/admin.conf")
    nodes = client.ask("GET", f"/api/v1/nodes?labelSelector={LABEL}")["items"]
    urls = [_url(n["status"]["addresses"][0]["address"], 2379) for n in nodes]
    who = f"{PKI}/etcd/healthcheck-client"
    given = {"etcd-servers": ",".join(urls), "etcd-cafile": f"{PKI}/etcd/ca.crt"}
    return Etcd({**given, "etcd-certfile": f"{who}.crt", "etcd-keyfile": f"{who}.key"}, "cluster")


def _url(address: str, port: int) -> str:
    return f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"
