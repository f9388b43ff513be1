"""How a machine that runs gets the files of a later render, and what it needs to use them.

A first boot brings only khgen-update, its timer, the key that it checks updates with, and the one that
opens those from the API. All else comes with an update: the living files.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from khgen.files.boot import FOLDER, step_files
from khgen.files.living_configuration import own_configuration, shared_configuration
from khgen.pki.certificates import public_key_pem
from khgen.pki.derive import update_signing_key
from khgen.pki.secrets import Secrets
from khgen.plan.cluster_plan import (
    API_SERVER_PORT,
    ETCD_CLIENT_PORT,
    NodeFile,
    NodeKind,
    NodePlan,
    Plan,
    url,
)
from khgen.plan.installation import hosts_kubernetes
from khgen.plan.steps import all_steps_of
from khgen.resources import verbatim
from khgen.spec.model import NodeRole

PUBLIC_KEY = FOLDER / "update.pub"
UPDATE_KEY = FOLDER / "update.key"
"""Opens the archives that the API hands to this machine."""
ROLL = FOLDER / "roll.json"
"""What khgen-roll has to know of this node and of the others."""
UNITS = PurePosixPath("/etc/systemd/system")
PROGRAMS = PurePosixPath("/usr/local/sbin")

SLOTS: Mapping[NodeRole, str] = {
    NodeRole.CONTROL_PLANE: "api",
    NodeRole.WORKER: "api",
    NodeRole.ETCD: "etcd",
    NodeRole.LOAD_BALANCER: "none",
}
"""Where nodes of a role take the right to change: the ConfigMap, etcd, or nowhere."""
WAITS_FOR_MEMBERS = frozenset({NodeRole.CONTROL_PLANE, NodeRole.ETCD})
"""The roles that change only while every API server is ready and every etcd member healthy."""

LIVING_PROGRAMS: tuple[tuple[PurePosixPath, int], ...] = (
    (PROGRAMS / "khgen-roll", 0o755),
    (UNITS / "khgen-roll.service", 0o644),
    (UNITS / "khgen-keep.service", 0o644),
    (UNITS / "khgen-renew.service", 0o644),
    (UNITS / "khgen-renew.timer", 0o644),
    (UNITS / "khgen-boot.service.d" / "khgen-keep.conf", 0o644),
)
"""The path and mode of the programs that only a node that runs has; templates have their names."""
FIRST_BOOT_ONLY = frozenset({PurePosixPath("/etc/kubernetes/super-admin.conf")})
"""What no update brings: a node that runs has no use for it, and no RBAC rule could restrict who reads
it out of the API."""
PULL_UNITS = (UNITS / "khgen-update.service", UNITS / "khgen-update.timer")


def update_files(plan: Plan, kind: NodeKind, secrets: Secrets) -> tuple[NodeFile, ...]:
    """What a first boot brings, so that updates can come; the same on all nodes of a kind."""
    key = update_signing_key(secrets.seed, secrets.cluster)
    return (
        updater_file(),
        NodeFile(path=PUBLIC_KEY, content=public_key_pem(key)),
        *(program_file(path) for path in PULL_UNITS if _pulls(plan, kind)),
    )


def update_key_files(plan: Plan, node: NodePlan, key: str) -> tuple[NodeFile, ...]:
    """The key of a machine's updates, if it asks the API for them."""
    if not _pulls(plan, node.kind):
        return ()
    return (NodeFile(path=UPDATE_KEY, content=f"{key}\n", mode=0o600),)


def _pulls(plan: Plan, kind: NodeKind) -> bool:
    return plan.spec.updates.pull and hosts_kubernetes(kind)


def updater_file() -> NodeFile:
    """khgen-update, which takes what comes: the same on every machine, so an image may have it."""
    return program_file(PROGRAMS / "khgen-update", 0o755)


def program_file(path: PurePosixPath, mode: int = 0o644) -> NodeFile:
    """A program or unit from the template of its name."""
    return NodeFile(path=path, content=verbatim(path.name), mode=mode)


def shared_living_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The living files that all nodes of a kind have."""
    programs = (program_file(path, mode) for path, mode in LIVING_PROGRAMS)
    steps = step_files(all_steps_of(plan, kind))
    return (*programs, *steps, *shared_configuration(plan, kind))


def own_living_files(plan: Plan, node: NodePlan) -> tuple[NodeFile, ...]:
    """The living files of one node."""
    return tuple(file for make in OWN_LIVING for file in make(plan, node))


def roll_files(plan: Plan, node: NodePlan) -> tuple[NodeFile, ...]:
    """What khgen-roll reads: who the node is, where slots are, whom it waits for."""
    waits = node.role in WAITS_FOR_MEMBERS
    servers = plan.control_planes if waits else ()
    members = plan.etcd_members if waits else ()
    values = {
        "node": node.name,
        "role": node.role.value,
        "slots": SLOTS[node.role],
        "endpoint": plan.endpoint.url,
        "apiServers": {server.name: url(server.address, API_SERVER_PORT) for server in servers},
        "etcd": {member.name: url(member.address, ETCD_CLIENT_PORT) for member in members},
        "drainSeconds": drain_seconds(plan),
    }
    return (NodeFile(path=ROLL, content=json.dumps(values, indent=2, sort_keys=True) + "\n"),)


def drain_seconds(plan: Plan) -> int:
    """How long pods may take to leave a node."""
    return int(plan.spec.updates.drain_timeout.total_seconds())


OWN_LIVING: tuple[Callable[[Plan, NodePlan], tuple[NodeFile, ...]], ...] = (
    roll_files,
    own_configuration,
)
"""Living files that depend on the node."""
