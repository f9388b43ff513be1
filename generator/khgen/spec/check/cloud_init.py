"""cloud-init's input: further cloud-config keys, and the network-config of nodes.

Source: cloud-init's "Networking config Version 2" and "Version 1"; it passes on to netplan the keys
that only netplan knows.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import CaKeys, Datasource

EXTRA = ("userData", "extra")
OWN_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "write_files": "put the file in the image, or write it with runcmd",
        "preserve_hostname": "remove it: the node's name is its host name",
        "manage_etc_hosts": "use os.hosts",
        "hostname": "remove it: the node's name is its host name",
        "fqdn": "remove it: the node's name is its host name",
        "ssh_authorized_keys": "use os.sshAuthorizedKeys",
    }
)
"""Keys that khgen writes, and what to use instead."""


DEVICES = (
    "ethernets",
    "bonds",
    "bridges",
    "vlans",
    "wifis",
    "dummy-devices",
    "modems",
    "nm-devices",
    "tunnels",
    "virtual-ethernets",
    "vrfs",
)
"""Keys of version 2 that hold devices by name."""
KNOWN_KEYS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {1: ("version", "config"), 2: ("version", "renderer", *DEVICES, "openvswitch")}
)
SHAPES: Mapping[str, tuple[type, str]] = MappingProxyType(
    {
        "match": (dict, "a mapping"),
        "nameservers": (dict, "a mapping"),
        "dhcp4-overrides": (dict, "a mapping"),
        "dhcp6-overrides": (dict, "a mapping"),
        "parameters": (dict, "a mapping"),
        "addresses": (list, "a list"),
        "interfaces": (list, "a list"),
        "routes": (list, "a list"),
        "routing-policy": (list, "a list"),
        "dhcp4": (bool, "true or false"),
        "dhcp6": (bool, "true or false"),
        "mtu": (int, "a whole number"),
        "macaddress": (str, "text"),
        "set-name": (str, "text"),
        "gateway4": (str, "text"),
        "gateway6": (str, "text"),
    }
)
"""The types of the keys of a device that khgen knows."""
LINK_LOCAL = frozenset(
    {Datasource.EC2, Datasource.HETZNER, Datasource.OPENSTACK, Datasource.AZURE, Datasource.GCE}
)
"""Datasources that serve user-data at 169.254.169.254 as long as the machine exists."""
METADATA_SERVICES = LINK_LOCAL | {Datasource.CLOUDSTACK}
"""CloudStack serves it from the virtual router (cloud-init, DataSourceCloudStack)."""


def own_keys(spec: ClusterSpec) -> Iterator[Finding]:
    """Keys that khgen writes, or that would break a node."""
    for key in spec.user_data.extra:
        if key in OWN_KEYS:
            message = f"cloud-config key {quoted(key)} is set by khgen"
            yield Finding(path=(*EXTRA, key), message=message, hint=OWN_KEYS[key], at_key=True)


def runcmd_shape(spec: ClusterSpec) -> Iterator[Finding]:
    """A runcmd that is not a list: khgen appends its own command."""
    if not isinstance(spec.user_data.extra.get("runcmd", []), list):
        hint = "write a list of commands"
        yield Finding(path=(*EXTRA, "runcmd"), message="runcmd must be a list", hint=hint)


def exposed_ca_keys(spec: ClusterSpec) -> Iterator[Finding]:
    """CA keys in user-data that a metadata service gives to anyone, pods included."""
    source = spec.user_data.datasource
    closed = spec.os.block_metadata and source in LINK_LOCAL
    if spec.pki.ca_keys is CaKeys.OFFLINE or source not in METADATA_SERVICES or closed:
        return
    message = (
        f"the metadata service of {source} holds CA keys, and pods can reach it: anyone who reads them"
        " controls the cluster"
    )
    hint = "set os.blockMetadata: true, or pki.caKeys: offline"
    if source not in LINK_LOCAL:
        hint = "set pki.caKeys: offline, or block the virtual router's port 80 for pods"
    path = ("userData", "datasource")
    yield Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


def network_configs(spec: ClusterSpec) -> Iterator[Finding]:
    """Mappings that are not a valid network-config."""
    for index, node in enumerate(spec.nodes):
        if node.network is not None and node.network.raw is not None:
            raw: Mapping[str, object] = node.network.raw
            yield from _config(("nodes", index, "network", "raw"), raw)


def _config(path: ValuePath, raw: Mapping[str, object]) -> Iterator[Finding]:
    version = raw.get("version")
    if set(raw) == {"network"}:
        message = "the network-config is inside of 'network'"
        hint = "move the contents of 'network' up to raw"
        yield Finding(path=(*path, "network"), message=message, hint=hint, at_key=True)
    elif "version" not in raw:
        message = "key 'version' is missing in the network-config"
        yield Finding(path=path, message=message, hint="write version: 2", at_key=True)
    elif isinstance(version, bool) or not isinstance(version, int) or version not in KNOWN_KEYS:
        message = f"version {quoted(version)} of a network-config is not one of: 1, 2"
        yield Finding(path=(*path, "version"), message=message, hint="write version: 2")
    else:
        yield from _unknown_keys(path, raw, KNOWN_KEYS[version])
        yield from _contents(path, raw, version)


def _unknown_keys(
    path: ValuePath, raw: Mapping[str, object], known: tuple[str, ...]
) -> Iterator[Finding]:
    for key in raw:
        if key not in known:
            close = get_close_matches(key[:64], known, n=1)
            hint = f"did you mean {quoted(close[0])}?" if close else f"known: {', '.join(known)}"
            message = f"a network-config has no key {quoted(key)}"
            yield Finding(path=(*path, key), message=message, hint=hint, at_key=True)


def _contents(path: ValuePath, raw: Mapping[str, object], version: int) -> Iterator[Finding]:
    if version == 1:
        if not _entries(raw.get("config")):
            message = "version 1 of a network-config needs config: a list of mappings"
            yield Finding(path=(*path, "config"), message=message, hint="or use version: 2")
        return
    sections = [key for key in DEVICES if key in raw]
    if not sections:
        message = "the network-config has no device"
        yield Finding(path=path, message=message, hint="add ethernets", at_key=True)
    for section in sections:
        yield from _devices((*path, section), raw[section])


def _entries(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _devices(path: ValuePath, devices: object) -> Iterator[Finding]:
    if not isinstance(devices, dict):
        yield _misshapen(path, "a mapping of devices by name")
        return
    for name, device in devices.items():
        if not isinstance(device, dict):
            yield _misshapen((*path, name), "a mapping")
            continue
        for key, (kind, spoken) in SHAPES.items():
            value = device.get(key)
            wrong = not isinstance(value, kind) or (kind is int and isinstance(value, bool))
            if key in device and wrong:
                yield _misshapen((*path, name, key), spoken)


def _misshapen(path: ValuePath, wanted: str) -> Finding:
    message = f"{quoted(path[-1])} of a network-config must be {wanted}"
    return Finding(path=path, message=message, hint="see cloud-init's Networking config Version 2")


CHECKS = (
    Check(find=own_keys, reads=(EXTRA,)),
    Check(find=runcmd_shape, reads=(EXTRA,)),
    Check(find=network_configs, of_nodes=("network",)),
    Check(find=exposed_ca_keys, reads=(("userData",), ("pki", "caKeys"), ("os", "blockMetadata"))),
)
