"""The boot on the node: khgen-boot, its unit, the steps of the node's kind, and their values."""

import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import PurePosixPath

from khgen.files.etcd_manifest import peer_url
from khgen.files.kubeadm import CRI_SOCKET
from khgen.files.load_balancer import load_balancer_environment
from khgen.files.operating_system import install_environment
from khgen.files.templates import verbatim
from khgen.plan.cluster_plan import (
    API_SERVER_PORT,
    CONTROL_PLANE_KINDS,
    ETCD_CLIENT_PORT,
    ETCD_KINDS,
    NodeFile,
    NodeKind,
    NodePlan,
    Plan,
    url,
)
from khgen.plan.steps import Step, steps_of
from khgen.spec.model.cluster import Datasource

FOLDER = PurePosixPath("/etc/khgen")
ENVIRONMENT = FOLDER / "node.env"
STEPS = FOLDER / "steps.d"
ORDER = FOLDER / "steps"
"""The names of the node's own steps; its disk or its image may have other steps too."""
KEPT_HOST_KEYS = PurePosixPath("/etc/cloud/cloud.cfg.d/95-khgen.cfg")
"""cloud-init reads it from the second boot on. So the first boot still deletes SSH host keys of the
image, and a new seed later keeps the host's own keys (cc_ssh.py)."""
RUNNER = PurePosixPath("/usr/local/sbin/khgen-boot")
UNIT = PurePosixPath("/etc/systemd/system/khgen-boot.service")
PLACER_UNIT = PurePosixPath("/etc/systemd/system/khgen-place.service")
PLACER = PurePosixPath("/usr/local/sbin/khgen-place")
"""Places the files of a bundle, on nodes whose user-data has one."""
BUNDLE_KINDS = CONTROL_PLANE_KINDS
"""Whose files travel as a bundle. Certificates make up a third of a control plane's user-data, and a
bundle halves them. On other nodes khgen-place would cost more than it saves."""
WIPES = FOLDER / "wipe"
"""Scripts that wipe further copies of the user-data; each runs when the boot is done."""
SOURCED = ("etcd-membership.sh", "etcd.sh", "phase.sh")
"""Functions that several steps source; each file stands before those that it sources itself."""


def boot_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The runner, its unit, and the steps of nodes of that kind: the same bytes everywhere."""
    order, *steps = step_files(steps_of(plan, kind))
    return (
        NodeFile(path=RUNNER, content=verbatim("khgen-boot"), mode=0o755),
        *(placer_files() if kind in BUNDLE_KINDS else ()),
        NodeFile(path=UNIT, content=verbatim("khgen-boot.service")),
        order,
        NodeFile(path=KEPT_HOST_KEYS, content="ssh_deletekeys: false\n"),
        *_wipes(plan),
        *steps,
    )


def step_files(of: Iterable[Step]) -> tuple[NodeFile, ...]:
    """The list of these steps, what their scripts source, and the scripts."""
    steps = {step.file_name: verbatim(f"steps/{step.name}.sh") for step in of}
    sourced: dict[str, str] = {}
    for name in SOURCED:
        if any(f". {FOLDER}/{name}\n" in text for text in (*steps.values(), *sourced.values())):
            sourced[name] = verbatim(name)
    return (
        NodeFile(path=ORDER, content="".join(f"{name}\n" for name in steps)),
        *(NodeFile(path=FOLDER / name, content=text) for name, text in sourced.items()),
        *(NodeFile(path=STEPS / name, content=text) for name, text in steps.items()),
    )


def placer_files() -> tuple[NodeFile, ...]:
    """khgen-place, and the unit that runs it where a later boot brings new user-data."""
    return (
        NodeFile(path=PLACER, content=verbatim("khgen-place"), mode=0o755),
        NodeFile(path=PLACER_UNIT, content=verbatim("khgen-place.service")),
    )


def _wipes(plan: Plan) -> tuple[NodeFile, ...]:
    # `cleanup-guestinfo` in the meta-data would blank it before cloud-init has written a file.
    if plan.spec.user_data.datasource is not Datasource.VMWARE:
        return ()
    return (NodeFile(path=WIPES / "guestinfo", content=verbatim("guestinfo")),)


def boot_environment_files(
    plan: Plan, node: NodePlan, machine: str, not_before: datetime, founding_token_id: str
) -> tuple[NodeFile, ...]:
    """/etc/khgen/node.env: every value that the node's steps read, and how they ask the API.

    `machine` is another one when the machine is; `not_before` is the start of its certificates;
    `founding_token_id` names the token to delete once the cluster stands, and is empty where the
    spec keeps it.
    """
    cluster = plan.spec.metadata.name
    values = {"CLUSTER": cluster, "MACHINE": machine, **boot_environment(plan, node, not_before)}
    if node.kind is NodeKind.FOUNDER and founding_token_id:
        values["FOUNDING_TOKEN"] = founding_token_id
    # The runner exports all of it to the steps, functions too.
    asks = verbatim("api.sh") if node.joins_kubernetes else ""
    names = verbatim("removed.sh") if any(name.startswith("REMOVED_") for name in values) else ""
    return (NodeFile(path=ENVIRONMENT, content=_assignments(values) + asks + names),)


def boot_environment(plan: Plan, node: NodePlan, not_before: datetime) -> dict[str, str]:
    """The values by name; a node gets only values that its steps read."""
    values = {"NOT_BEFORE": str(int(not_before.timestamp()))}
    if node.joins_kubernetes:
        values |= {"NODE_NAME": node.name, "ENDPOINT": plan.endpoint.url}
    if node.kind in CONTROL_PLANE_KINDS:
        values |= _control_plane_values(plan, node)
    if node.kind in ETCD_KINDS:
        values |= {"NODE_NAME": node.name, **_etcd_member_values(plan, node)}
    return values | install_environment(plan, node.kind) | load_balancer_environment(plan, node)


def _control_plane_values(plan: Plan, node: NodePlan) -> dict[str, str]:
    values = {"NODE_URL": url(node.address, API_SERVER_PORT)}
    values |= _given("REMOVED_NODES", plan.stale_nodes)
    if plan.stacked:
        values |= _etcd_member_values(plan, node)
    elif node.kind is NodeKind.FOUNDER:
        values |= {
            "ETCD_URLS": " ".join(plan.etcd_client_urls),
            "ETCD_CLIENT": "/etc/kubernetes/pki/apiserver-etcd-client",
        }
    if node.kind is NodeKind.FOUNDER:
        values["CRI_SOCKET"] = CRI_SOCKET
        if plan.super_admin_holder is not None:
            values["SUPER_ADMIN"] = plan.super_admin_holder.name
        calico = plan.spec.addons.calico
        if calico is not None and calico.typha:
            values["TYPHA_REPLICAS"] = str(calico.typha_replicas)
    return values


def _etcd_member_values(plan: Plan, node: NodePlan) -> dict[str, str]:
    founds = node.kind in {NodeKind.FOUNDER, NodeKind.ETCD_FOUNDER}
    members = (
        plan.founding_etcd_members
        if founds
        else tuple(member for member in plan.etcd_members if member is not node)
    )
    return {
        "ETCD_URLS": " ".join(url(member.address, ETCD_CLIENT_PORT) for member in members),
        "ETCD_URL": url(node.address, ETCD_CLIENT_PORT),
        "ETCD_PEER_URL": peer_url(node.address),
        "ETCD_CLIENT": "/etc/kubernetes/pki/etcd/healthcheck-client",
        "ETCD_DATA_DIR": plan.spec.etcd.data_dir,
        **_given("REMOVED_MEMBERS", (f"{name}={peer_url(at)}" for name, at in plan.stale_members)),
    }


def _given(name: str, words: Iterable[str]) -> dict[str, str]:
    """The words as a value of that name; empty if there are none."""
    text = " ".join(words)
    return {name: text} if text else {}


def _assignments(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
