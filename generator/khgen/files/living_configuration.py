"""What the steps of an update read: the cluster's configuration, flags, versions, labels and taints.

A first boot gets the same from kubeadm's configuration, which is used once. These files say what is
wanted at any time, so they have nothing that only a founding or a join needs.
"""

import json
from pathlib import PurePosixPath

from khgen.files.kubeadm import (
    CRI_SOCKET,
    cluster_configuration,
    kube_proxy_configuration,
    kubeadm_api,
    kubeadm_timeouts,
    kubelet_configuration,
    kubelet_flags,
    local_api_endpoint,
    node_taints,
)
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, NodeFile, NodeKind, NodePlan, Plan
from khgen.plan.installation import KUBERNETES_PROGRAMS, hosts_kubernetes, program_version
from khgen.yaml_text import YamlValue, dump_yaml

CLUSTER = PurePosixPath("/etc/khgen/cluster.yaml")
KUBELET = PurePosixPath("/etc/khgen/kubelet.yaml")
"""What kubelet-config in the cluster will be: a change of it makes the kubelet's step run."""
KUBELET_FLAGS = PurePosixPath("/etc/khgen/kubelet-flags")
NODES = PurePosixPath("/etc/khgen/nodes.json")
UPGRADE = PurePosixPath("/etc/khgen/upgrade.yaml")
"""What `kubeadm upgrade` is to do, where its API has a kind for that (v1beta4). Its flags can't say how
long a component may take to start, and that is in the manifests (1.31 staticpod/utils.go, StartupProbe)."""
WANTED_PROGRAMS = PurePosixPath("/etc/khgen/programs")


def shared_configuration(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The configuration that all nodes of a kind have."""
    programs = KUBERNETES_PROGRAMS[kind]
    files = []
    if programs:
        lines = (f"{name} {program_version(plan, name).tag}\n" for name in programs)
        files.append(NodeFile(path=WANTED_PROGRAMS, content="".join(lines)))
    if hosts_kubernetes(kind):
        content = dump_yaml(kubelet_configuration(plan))
        files.append(NodeFile(path=KUBELET, content=content))
    if kind in CONTROL_PLANE_KINDS:
        files.append(NodeFile(path=NODES, content=_nodes(plan)))
        if plan.facts.lists_arguments:
            files.append(NodeFile(path=UPGRADE, content=dump_yaml(_upgrade(plan))))
    return tuple(files)


def own_configuration(plan: Plan, node: NodePlan) -> tuple[NodeFile, ...]:
    """The configuration that only this node has."""
    files = []
    if node.joins_kubernetes:
        flags = sorted(f"--{name}={value}\n" for name, value in kubelet_flags(node).items())
        files.append(NodeFile(path=KUBELET_FLAGS, content="".join(flags)))
    if node.kind in CONTROL_PLANE_KINDS:
        files.append(NodeFile(path=CLUSTER, content=_cluster(plan, node), mode=0o600))
    return tuple(files)


def _cluster(plan: Plan, node: NodePlan) -> str:
    """kubeadm reads its own node's name and address from the first document, not from the machine."""
    init: dict[str, YamlValue] = {
        "apiVersion": kubeadm_api(plan),
        "kind": "InitConfiguration",
        "localAPIEndpoint": local_api_endpoint(node),
        "nodeRegistration": {"name": node.name, "criSocket": CRI_SOCKET},
        **kubeadm_timeouts(plan),
    }
    return dump_yaml(
        init,
        cluster_configuration(plan),
        kubelet_configuration(plan),
        *kube_proxy_configuration(plan),
    )


def _upgrade(plan: Plan) -> dict[str, YamlValue]:
    # The step that upgrades sets etcdUpgrade where etcd's manifest changes.
    both: dict[str, YamlValue] = {"certificateRenewal": False, "etcdUpgrade": False}
    return {
        "apiVersion": kubeadm_api(plan),
        "kind": "UpgradeConfiguration",
        # A node that is being drained takes no job, and no other may have room for it.
        "apply": {**both, "ignorePreflightErrors": ["CreateJob"]},
        "node": both,
        **kubeadm_timeouts(plan),
    }


def _nodes(plan: Plan) -> str:
    wanted = {
        node.name: {
            "controlPlane": node.kind in CONTROL_PLANE_KINDS,
            "labels": dict(node.spec.labels),
            "taints": None if node.spec.taints is None else node_taints(node),
        }
        for node in plan.nodes
        if node.joins_kubernetes
    }
    return json.dumps(wanted, indent=2, sort_keys=True) + "\n"
