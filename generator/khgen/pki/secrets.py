"""The secrets behind a cluster: the first render creates them, later commands only add to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from khgen.facts.version import KubernetesVersion
from khgen.pki.certificates import Authority, AuthorityName, PrivateKey, new_authority
from khgen.pki.derive import alphabet_text, derive_key_pair
from khgen.pki.identity import identity_of, may_follow
from khgen.plan.cluster_plan import Plan, RemovedNode, build_plan, founders_of
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.values import IPAddress

RandomBytes = Callable[[int], bytes]
"""The source of entropy: os.urandom, or fixed bytes in a test."""

EVERYONE = "*"
"""The scope of a renewal for every identity of the cluster."""

SEED_BYTES = 32
ENCRYPTION_KEY_BYTES = 32
VRRP_PASSWORD_LENGTH = 8
"""keepalived.conf(5): only the first eight characters of auth_pass are used."""
_KEYS = ("cluster", "issued_at", "seed", "service_account", "vrrp_password", "encryption_key")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Secrets:
    """The cluster's identity, and all that has to be kept: every leaf is derived from it."""

    cluster: str
    issued_at: datetime
    seed: bytes
    founders: tuple[str, ...]
    authorities: Mapping[AuthorityName, Authority]
    service_account: PrivateKey
    vrrp_password: str
    encryption_key: bytes
    generations: Mapping[str, int]
    """How often a node (or every node, `*`) got new keys."""
    renewed_at: Mapping[str, datetime]
    """The time of the last renewal, from which certificate lifetimes count."""
    replaced: tuple[str, ...]
    """Nodes whose machines were replaced: one entry per replacement, oldest first."""
    identity: Mapping[str, str]
    """What a running cluster cannot change; empty until a render records it."""
    kubernetes: KubernetesVersion | None
    """The last rendered version."""
    refounded: int
    """How often `khgen secrets refound` recorded the founders again."""
    removed: tuple[RemovedNode, ...] = ()
    """Removed nodes, oldest first."""
    spec_file: str | None = None
    """Name of the spec file, in the folder of the secrets file."""

    def __repr__(self) -> str:
        """Only the cluster's name: no key may reach a log."""
        return f"Secrets(cluster={self.cluster!r})"


def new_secrets(spec: ClusterSpec, now: datetime, random_bytes: RandomBytes) -> Secrets:
    """New secrets for the first render of a cluster."""
    issued_at = now.astimezone(UTC).replace(microsecond=0)
    algorithm = spec.pki.algorithm
    authorities = {
        name: new_authority(
            name,
            random_bytes(64),
            algorithm,
            issued_at - spec.pki.backdate,
            issued_at + spec.pki.ca_validity,
        )
        for name in AuthorityName
    }
    service_account = derive_key_pair(random_bytes(64), algorithm)
    return recorded(adopted_secrets(spec, authorities, service_account, now, random_bytes), spec)


def adopted_secrets(
    spec: ClusterSpec,
    authorities: Mapping[AuthorityName, Authority],
    service_account: PrivateKey,
    now: datetime,
    random_bytes: RandomBytes,
) -> Secrets:
    """New secrets around existing authorities."""
    return Secrets(
        cluster=spec.metadata.name,
        issued_at=now.astimezone(UTC).replace(microsecond=0),
        seed=random_bytes(SEED_BYTES),
        founders=founders_of(spec),
        authorities=MappingProxyType(dict(authorities)),
        service_account=service_account,
        vrrp_password=alphabet_text(random_bytes(32), VRRP_PASSWORD_LENGTH),
        encryption_key=random_bytes(ENCRYPTION_KEY_BYTES),
        generations=MappingProxyType({}),
        renewed_at=MappingProxyType({}),
        replaced=(),
        identity=MappingProxyType({}),
        kubernetes=None,
        refounded=0,
    )


def recorded(secrets: Secrets, spec: ClusterSpec) -> Secrets:
    """The secrets with every fact that they did not record yet, and the spec's version."""
    wanted, last = KubernetesVersion.parse(spec.kubernetes.version), secrets.kubernetes
    return replace(
        secrets,
        identity=MappingProxyType({**identity_of(spec), **secrets.identity}),
        kubernetes=wanted if last is None or may_follow(wanted, last) else last,
    )


def is_recorded(secrets: Secrets, spec: ClusterSpec) -> bool:
    """Whether the secrets already record all facts of a spec that does not contradict them."""
    after = recorded(secrets, spec)
    return (after.identity, after.kubernetes) == (secrets.identity, secrets.kubernetes)


def refounded(secrets: Secrets, spec: ClusterSpec) -> Secrets:
    """The secrets of a cluster that has not booted yet, with the facts of the present spec.

    CAs and keys stay. Every instance-id changes, so machines use what is rendered next.
    """
    return replace(
        secrets,
        founders=founders_of(spec),
        replaced=(),
        removed=(),
        identity=identity_of(spec),
        kubernetes=KubernetesVersion.parse(spec.kubernetes.version),
        refounded=secrets.refounded + 1,
    )


def renewed(secrets: Secrets, scopes: tuple[str, ...], now: datetime) -> Secrets:
    """The secrets with a new generation, dated now, of each scope: node names, or EVERYONE."""
    moment = now.astimezone(UTC).replace(microsecond=0)
    bumped = {scope: secrets.generations.get(scope, 0) + 1 for scope in scopes}
    # Clocks differ a little, so a date never moves back. The caller has already corrected dates
    # from a clock that was far ahead (pki/lifetime.py).
    dated = {scope: max((moment, *_renewals(secrets, scope))) for scope in scopes}
    return replace(
        secrets,
        generations=MappingProxyType({**secrets.generations, **bumped}),
        renewed_at=MappingProxyType({**secrets.renewed_at, **dated}),
    )


def with_replaced(secrets: Secrets, node: str, now: datetime) -> Secrets:
    """The secrets after this node's machine is replaced: the new one has new keys and joins, even
    if the old one was a founder."""
    return replace(renewed(secrets, (node,), now), replaced=(*secrets.replaced, node))


def with_removed(
    secrets: Secrets, node: str, role: NodeRole, address: IPAddress, now: datetime
) -> Secrets:
    """The secrets after this node is removed; a later node of its name is a new machine."""
    after = with_replaced(secrets, node, now)
    left = RemovedNode(
        name=node,
        role=role,
        address=address,
        removed_at=now.astimezone(UTC).replace(microsecond=0),
        machines=after.replaced.count(node),
    )
    return replace(after, removed=(*secrets.removed, left))


def last_removal(secrets: Secrets, node: str) -> RemovedNode | None:
    """The node's removal; None if it was not removed, or if `node replace` has since given its name
    to a new machine."""
    removals = [left for left in secrets.removed if left.name == node]
    if removals and removals[-1].machines == secrets.replaced.count(node):
        return removals[-1]
    return None


def plan_with(spec: ClusterSpec, secrets: Secrets) -> Plan:
    """The plan of a spec, for the cluster that these secrets record."""
    return build_plan(spec, secrets.founders, secrets.replaced, secrets.removed)


def founding_nodes(secrets: Secrets) -> tuple[str, ...]:
    """Names of the founders whose machines were not replaced."""
    return tuple(name for name in secrets.founders if name not in secrets.replaced)


def incarnation(secrets: Secrets, node: str) -> str:
    """A text that changes when a machine of that name has to start over: refounded or replaced."""
    times = secrets.replaced.count(node)
    founding = f"#{secrets.refounded}" if secrets.refounded else ""
    return secrets.issued_at.isoformat() + founding + (f"/{times}" if times else "")


def generation(secrets: Secrets, node: str) -> str:
    """The generation of a node's keys: the counts of cluster-wide and of its own renewals."""
    own = secrets.generations.get(node, 0)
    return f"{secrets.generations.get(EVERYONE, 0)}.{own}"


def issue_date(secrets: Secrets, node: str) -> datetime:
    """The moment from which the lifetimes of a node's certificates count."""
    # The first render may have a date in the future, so any renewal replaces it.
    return max(_renewals(secrets, node), default=secrets.issued_at)


def _renewals(secrets: Secrets, scope: str) -> list[datetime]:
    return [secrets.renewed_at[s] for s in (EVERYONE, scope) if s in secrets.renewed_at]


def only_extends(new: Secrets, old: Secrets) -> bool:
    """Whether the new secrets keep everything in the old ones."""
    return (
        _keeps_keys(new, old)
        and new.refounded == old.refounded
        and new.founders[: len(old.founders)] == old.founders
        and new.replaced[: len(old.replaced)] == old.replaced
        and all(new.identity.get(key) == value for key, value in old.identity.items())
        and new.removed[: len(old.removed)] == old.removed
        and _may_become(new.kubernetes, old.kubernetes)
    )


def only_refounds(new: Secrets, old: Secrets) -> bool:
    """Whether the new secrets have the old keys, and record the founders once more."""
    return _keeps_keys(new, old) and new.refounded == old.refounded + 1


def _keeps_keys(new: Secrets, old: Secrets) -> bool:
    return (
        all(getattr(new, name) == getattr(old, name) for name in _KEYS)
        and all(
            new.authorities[name].certificate == old.authorities[name].certificate
            for name in old.authorities
        )
        and all(new.generations.get(k, 0) >= count for k, count in old.generations.items())
        and all(new.renewed_at.get(k, old.issued_at) >= d for k, d in old.renewed_at.items())
    )


def _may_become(new: KubernetesVersion | None, old: KubernetesVersion | None) -> bool:
    return old is None or (new is not None and may_follow(new, old))
