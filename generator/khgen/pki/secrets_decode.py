"""From a secrets file's text to the secrets, or to what is wrong with it."""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import TypedDict, TypeVar

import yaml

from khgen.facts.version import KubernetesVersion
from khgen.pki.certificates import Authority, AuthorityName, PrivateKey
from khgen.pki.identity import FACTS, recorded_fact
from khgen.pki.pem import RESIGN_HINT, PemError, expiry_text, read_authority, read_private_key
from khgen.pki.secrets import ENCRYPTION_KEY_BYTES, SEED_BYTES, VRRP_PASSWORD_LENGTH, Secrets
from khgen.pki.secrets_encode import API_VERSION, KIND, SEAL, seal_fault
from khgen.pki.secrets_reader import Fields, SecretsReader
from khgen.plan.cluster_plan import RemovedNode
from khgen.problems import Problems, ValuePath, path_text
from khgen.spec.model import NodeRole
from khgen.spec.model.values import IPAddress

_KEYS = (
    "apiVersion", "kind", "cluster", "spec", "issuedAt", "founders", "replaced", "removed",
    "refounded", "identity", "kubernetes", "generations", "seed", "vrrpPassword", "encryptionKey",
    "authorities", "serviceAccount", SEAL,
)  # fmt: skip
_REMOVED_KEYS = ("name", "role", "address", "removedAt", "machines")
_NODE_NAME = re.compile("[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_ENCRYPTED_BY = (
    ("age-encryption.org/", "age -d FILE | khgen render --secrets - …"),
    ("-----BEGIN AGE ENCRYPTED FILE", "age -d FILE | khgen render --secrets - …"),
)
_SOPS_HINT = "sops -d FILE | khgen render --secrets - …"

Value = TypeVar("Value")
Decoded = tuple[Secrets | None, Problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCheck:
    """How a file's seal is checked: with a key, without one, or not at all before a new seal."""

    key: bytes | None = None
    skipped: bool = False


WITHOUT_KEY = SealCheck()


def decode_secrets(
    text: str,
    file: str,
    *,
    cluster: str | None = None,
    now: datetime | None = None,
    seal: SealCheck = WITHOUT_KEY,
) -> Decoded:
    """The secrets in a text: of that `cluster` if it is given, and not expired `now`."""
    reader = SecretsReader(file)
    for start, hint in _ENCRYPTED_BY:
        if text.startswith(start):
            reader.fail(None, (), "the secrets file is encrypted", hint)
            return None, reader.problems
    root = reader.root(text)
    if isinstance(root, yaml.MappingNode) and any(key.value == "sops" for key, _ in root.value):
        reader.fail(None, (), "the secrets file is encrypted by SOPS", _SOPS_HINT)
        return None, reader.problems
    secrets = _Decoder(reader, root).secrets(cluster, now)
    if secrets is None or root is None or seal.skipped:
        return secrets, reader.problems
    return (secrets if _seal_holds(reader, root, seal.key) else None), reader.problems


def _seal_holds(reader: SecretsReader, root: yaml.Node, key: bytes | None) -> bool:
    """Whether the seal of an otherwise valid document matches."""
    node = reader.fields(root, (), None).get(SEAL)
    text = node.value if isinstance(node, yaml.ScalarNode) else None
    fault = seal_fault(root, text, key)
    if fault is not None:
        message, hint = fault
        reader.fail(node or root, (SEAL,), message, hint)
    return fault is None


class _Record(TypedDict):
    """What the secrets record of the cluster besides its keys."""

    founders: tuple[str, ...]
    replaced: tuple[str, ...]
    refounded: int
    identity: Mapping[str, str]
    kubernetes: KubernetesVersion | None
    removed: tuple[RemovedNode, ...]
    spec_file: str | None


class _Decoder:
    def __init__(self, reader: SecretsReader, root: yaml.Node | None) -> None:
        self._reader = reader
        self._root = root
        self._fields: Fields = reader.fields(root, (), _KEYS)

    def secrets(self, cluster: str | None, now: datetime | None) -> Secrets | None:
        self._text("apiVersion", _only(API_VERSION), "")
        self._text("kind", _only(KIND), "")
        never = datetime.min.replace(tzinfo=UTC)
        issued_at = self._text("issuedAt", _moment, never)
        name = self._text("cluster", _own_cluster(cluster), "")
        seed = self._text("seed", _exact_bytes(SEED_BYTES), b"")
        password = self._text("vrrpPassword", _vrrp_password, "")
        encryption_key = self._text("encryptionKey", _exact_bytes(ENCRYPTION_KEY_BYTES), b"")
        record = self._record()
        authorities = self._authorities(now)
        service_account = self._service_account()
        generations = self._generations()
        if self._reader.problems.errors or service_account is None:
            return None
        return Secrets(
            cluster=name,
            issued_at=issued_at,
            seed=seed,
            authorities=MappingProxyType(authorities),
            service_account=service_account,
            vrrp_password=password,
            encryption_key=encryption_key,
            generations=MappingProxyType({k: number for k, (number, _) in generations.items()}),
            renewed_at=MappingProxyType({k: date for k, (_, date) in generations.items()}),
            **record,
        )

    def _node(self, key: str) -> yaml.Node | None:
        return self._reader.required(self._fields, self._root, (key,))

    def _text(self, key: str, read: Callable[[str], Value], bad: Value) -> Value:
        return self._reader.value(self._node(key), (key,), read, bad)

    def _part(self, parent: yaml.Node | None, path: ValuePath) -> dict[str, str]:
        """The texts of a mapping with a certificate and a key, or with a key only."""
        known = tuple(
            key for key in ("certificate", "key") if path[0] == "authorities" or key == "key"
        )
        fields = self._reader.fields(parent, path, known)
        nodes = {key: self._reader.required(fields, parent, (*path, key)) for key in known}
        return {
            key: self._reader.value(node, (*path, key), str, "")
            for key, node in nodes.items()
            if node is not None
        }

    def _record(self) -> _Record:
        reader, fields = self._reader, self._fields
        return _Record(
            founders=reader.items(self._node("founders"), ("founders",)),
            replaced=reader.items(self._node("replaced"), ("replaced",)),
            removed=_removed_nodes(reader, fields.get("removed")),
            refounded=reader.value(fields.get("refounded"), ("refounded",), _count, 0),
            identity=MappingProxyType(self._identity()),
            spec_file=reader.value(fields.get("spec"), ("spec",), _file_name, None),
            kubernetes=reader.value(
                fields.get("kubernetes"), ("kubernetes",), _kubernetes_version, None
            ),
        )

    def _identity(self) -> dict[str, str]:
        """The recorded facts; files of older releases have none."""
        known = {fact.key: fact for fact in FACTS}
        fields = self._reader.fields(self._fields.get("identity"), ("identity",), tuple(known))
        return {
            key: self._reader.value(node, ("identity", key), recorded_fact(known[key]), "")
            for key, node in fields.items()
            if key in known
        }

    def _authorities(self, now: datetime | None) -> dict[AuthorityName, Authority]:
        node = self._node("authorities")
        fields = self._reader.fields(node, ("authorities",), tuple(AuthorityName))
        found = {}
        for name in AuthorityName:
            path = ("authorities", name.value)
            part = self._reader.required(fields, node, path)
            texts = self._part(part, path)
            if part is None or len(texts) < 2:
                continue
            try:
                found[name] = read_authority(name, texts["certificate"], texts["key"])
            except PemError as error:
                self._reader.fail(part, path, f"{path_text(path)}: {error}")
                continue
            expired = None if now is None else expiry_text(found[name], now)
            if expired is not None:
                self._reader.fail(part, path, f"{path_text(path)}: {expired}", RESIGN_HINT)
        return found

    def _service_account(self) -> PrivateKey | None:
        path = ("serviceAccount", "key")
        part = self._node(path[0])
        text = self._part(part, path[:1]).get("key")
        if part is None or text is None:
            return None
        try:
            return read_private_key(text)
        except PemError as error:
            self._reader.fail(part, path, f"{path_text(path)}: {error}")
            return None

    def _generations(self) -> dict[str, tuple[int, datetime]]:
        node = self._node("generations")
        never = datetime.min.replace(tzinfo=UTC)
        found = {}
        for scope, entry in self._reader.fields(node, ("generations",), None).items():
            path = ("generations", scope)
            fields = self._reader.fields(entry, path, ("number", "renewedAt"))
            number = self._reader.required(fields, entry, (*path, "number"))
            date = self._reader.required(fields, entry, (*path, "renewedAt"))
            found[scope] = (
                self._reader.value(number, (*path, "number"), _count, 0),
                self._reader.value(date, (*path, "renewedAt"), _moment, never),
            )
        return found


def _removed_nodes(reader: SecretsReader, node: yaml.Node | None) -> tuple[RemovedNode, ...]:
    """The removed nodes in the order of the file; files of older releases have no list."""
    if node is None:
        return ()
    if not isinstance(node, yaml.SequenceNode):
        reader.fail(node, ("removed",), "a list is expected here")
        return ()
    return tuple(
        _removed_node(reader, entry, ("removed", index)) for index, entry in enumerate(node.value)
    )


def _removed_node(reader: SecretsReader, entry: yaml.Node, path: ValuePath) -> RemovedNode:
    fields = reader.fields(entry, path, _REMOVED_KEYS)
    parts = {key: reader.required(fields, entry, (*path, key)) for key in _REMOVED_KEYS}
    never, nowhere = datetime.min.replace(tzinfo=UTC), ip_address("0.0.0.0")  # noqa: S104
    return RemovedNode(
        name=reader.value(parts["name"], (*path, "name"), _name, ""),
        role=reader.value(parts["role"], (*path, "role"), _role, NodeRole.WORKER),
        address=reader.value(parts["address"], (*path, "address"), _address, nowhere),
        removed_at=reader.value(parts["removedAt"], (*path, "removedAt"), _moment, never),
        machines=reader.value(parts["machines"], (*path, "machines"), _count, 0),
    )


def _name(text: str) -> str:
    if not _NODE_NAME.fullmatch(text):
        message = "a node's name is expected"
        raise ValueError(message)
    return text


def _role(text: str) -> NodeRole:
    try:
        return NodeRole(text)
    except ValueError:
        message = f"one of {', '.join(NodeRole)} is expected"
        raise ValueError(message) from None


def _address(text: str) -> IPAddress:
    try:
        return ip_address(text)
    except ValueError:
        message = "an IP address is expected"
        raise ValueError(message) from None


def _only(wanted: str) -> Callable[[str], str]:
    """A reader that accepts only that text."""

    def read(text: str) -> str:
        if text != wanted:
            message = f"must be {wanted}"
            raise ValueError(message)
        return text

    return read


def _own_cluster(wanted: str | None) -> Callable[[str], str]:
    """A reader that accepts the name of that cluster, or any name if none is given."""

    def read(text: str) -> str:
        if wanted is not None and text != wanted:
            message = f"these are the secrets of cluster '{text[:63]}', not of '{wanted}'"
            raise ValueError(message)
        return text

    return read


def _file_name(text: str) -> str:
    """The name of a file in the same folder."""
    if not text.isprintable() or "/" in text or text in {"", ".", ".."}:
        message = "the name of a file is expected"
        raise ValueError(message)
    return text


def _exact_bytes(size: int) -> Callable[[str], bytes]:
    """A reader of exactly that many bytes in base64."""

    def read(text: str) -> bytes:
        message = f"{size} bytes in base64 are expected"
        try:
            value = b64decode(text, validate=True)
        except ValueError:
            raise ValueError(message) from None
        if len(value) != size:
            raise ValueError(message)
        return value

    return read


def _vrrp_password(text: str) -> str:
    """The password that the keepalived hosts share."""
    if not re.fullmatch(f"[A-Za-z0-9]{{{VRRP_PASSWORD_LENGTH}}}", text):
        message = f"{VRRP_PASSWORD_LENGTH} letters and digits are expected"
        raise ValueError(message)
    return text


def _moment(text: str) -> datetime:
    """A moment in UTC, to the second."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        message = "a time like 2026-01-31T12:00:00Z is expected"
        raise ValueError(message) from None


def _kubernetes_version(text: str) -> KubernetesVersion:
    """A released version of Kubernetes."""
    try:
        return KubernetesVersion.parse(text)
    except ValueError:
        message = "a version like 1.29.6 is expected"
        raise ValueError(message) from None


def _count(text: str) -> int:
    """A count of renewals or replacements."""
    if not re.fullmatch("[0-9]{1,9}", text):
        message = "a number is expected"
        raise ValueError(message)
    return int(text)
