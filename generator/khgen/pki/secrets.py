"""The secrets behind a cluster: created at the first render, only ever extended after."""

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
"""Where entropy comes from: os.urandom, or something fixed in a test."""

EVERYONE = "*"
"""The scope of a renewal that concerns every identity of the cluster."""

SEED_BYTES = 32
ENCRYPTION_KEY_BYTES = 32
VRRP_PASSWORD_LENGTH = 8
"""keepalived.conf(5): only the first eight characters of auth_pass are used."""
_KEYS = ("cluster", "issued_at", "seed", "service_account", "vrrp_password", "encryption_key")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Secrets:
    """The cluster's identity. Nothing else needs keeping: every leaf is derived from it."""

    cluster: str
    issued_at: datetime
    seed: bytes
    founders: tuple[str, ...]
    authorities: Mapping[AuthorityName, Authority]
    service_account: PrivateKey
    vrrp_password: str
    encryption_key: bytes
    generations: Mapping[str, int]
    """How often a node (or everyone, `*`) was given new keys."""
    renewed_at: Mapping[str, datetime]
    """When that was last; certificates count their days from there."""
    replaced: tuple[str, ...]
    """Nodes whose machines were replaced, each time once, in that order."""
    identity: Mapping[str, str]
    """What a living cluster cannot change; empty as long as no render has recorded it."""
    kubernetes: KubernetesVersion | None
    """The version that was rendered last."""
    refounded: int
    """How often the founders were named anew before any machine had booted."""
    removed: tuple[RemovedNode, ...] = ()
    """Nodes that left the cluster for good, oldest first."""
    spec_file: str | None = None
    """Name of the spec's file, which the secrets file stands beside."""

    def __repr__(self) -> str:
        """The cluster's name alone: no key may reach a log."""
        return f"Secrets(cluster={self.cluster!r})"


def new_secrets(spec: ClusterSpec, now: datetime, random_bytes: RandomBytes) -> Secrets:
    """Fresh secrets for a cluster that is rendered for the first time."""
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
    """Fresh secrets around authorities that exist already."""
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
    """The secrets with what they did not know of the cluster yet, and the version it is to have."""
    wanted, last = KubernetesVersion.parse(spec.kubernetes.version), secrets.kubernetes
    return replace(
        secrets,
        identity=MappingProxyType({**identity_of(spec), **secrets.identity}),
        kubernetes=wanted if last is None or may_follow(wanted, last) else last,
    )


def is_recorded(secrets: Secrets, spec: ClusterSpec) -> bool:
    """Whether the secrets know all of a spec that does not contradict them."""
    after = recorded(secrets, spec)
    return (after.identity, after.kubernetes) == (secrets.identity, secrets.kubernetes)


def refounded(secrets: Secrets, spec: ClusterSpec) -> Secrets:
    """The secrets of a cluster of which no machine has booted, with what the spec now says of it.

    CAs and keys stay. Every instance-id changes, so that machines take what is rendered next.
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
    # Clocks differ by a little: no date goes back for that. Those of a clock that was far ahead are
    # put right before (pki/clock.py).
    dated = {scope: max((moment, *_renewals(secrets, scope))) for scope in scopes}
    return replace(
        secrets,
        generations=MappingProxyType({**secrets.generations, **bumped}),
        renewed_at=MappingProxyType({**secrets.renewed_at, **dated}),
    )


def with_replaced(secrets: Secrets, node: str, now: datetime) -> Secrets:
    """The secrets for a cluster in which this node's machine is replaced: it has new keys, and it
    joins, whether or not it once founded."""
    return replace(renewed(secrets, (node,), now), replaced=(*secrets.replaced, node))


def with_removed(
    secrets: Secrets, node: str, role: NodeRole, address: IPAddress, now: datetime
) -> Secrets:
    """The secrets for a cluster that this node has left; whoever takes its name is a new machine."""
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
    """When that node was removed; None if it was not, or if `node replace` gave the name to a new
    machine since."""
    removals = [left for left in secrets.removed if left.name == node]
    if removals and removals[-1].machines == secrets.replaced.count(node):
        return removals[-1]
    return None


def plan_with(spec: ClusterSpec, secrets: Secrets) -> Plan:
    """The plan of a spec for the cluster that these secrets record."""
    return build_plan(spec, secrets.founders, secrets.replaced, secrets.removed)


def founding_nodes(secrets: Secrets) -> tuple[str, ...]:
    """Names of the founders whose machines are still those that founded."""
    return tuple(name for name in secrets.founders if name not in secrets.replaced)


def incarnation(secrets: Secrets, node: str) -> str:
    """What differs when a machine of that name is to start over: a new cluster, a replacement."""
    times = secrets.replaced.count(node)
    founding = f"#{secrets.refounded}" if secrets.refounded else ""
    return secrets.issued_at.isoformat() + founding + (f"/{times}" if times else "")


def generation(secrets: Secrets, node: str) -> str:
    """Which keys of a node are meant: those of everyone's and of its own latest renewal."""
    own = secrets.generations.get(node, 0)
    return f"{secrets.generations.get(EVERYONE, 0)}.{own}"


def issue_date(secrets: Secrets, node: str) -> datetime:
    """The moment from which the days of a node's certificates count."""
    # A first render may have been dated in the future: any renewal counts rather than that.
    return max(_renewals(secrets, node), default=secrets.issued_at)


def _renewals(secrets: Secrets, scope: str) -> list[datetime]:
    return [secrets.renewed_at[s] for s in (EVERYONE, scope) if s in secrets.renewed_at]


def only_extends(new: Secrets, old: Secrets) -> bool:
    """Whether nothing of the old secrets is lost in the new ones."""
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
    """Whether the new secrets are the old ones' keys for other founders."""
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
