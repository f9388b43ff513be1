"""What a rehearsal replaces in the spec, all of it: the machines are other ones.

| in the spec | in a rehearsal | because |
|---|---|---|
| install | everything comes with the image; for an update to another version, Kubernetes as binaries | programs are put into the hosts, or served on the bridge |
| os.family, os.release | debian 13 | what the hosts run |
| os.timeSync | unmanaged | the clock is this machine's |
| os.packageMirror | none | nothing is installed |
| containerd | the version that the hosts have | so are its programs |
| userData | NoCloud, no limit | so is the seed |
| node.network, interfaces | the node's address on eth0 | the bridge is the only network |
| addons | a small manifest | there is no registry to get their images from |
| os.swap | unmanaged | swap is this machine's |
| kubeProxy.mode | iptables | IPVS is in this machine's kernel, or not |
| kubeProxy conntrack.maxPerCore | 0 | so is nf_conntrack_max |
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

from khgen.rehearse.cached_images import DISTRIBUTION
from khgen.rehearse.processes import ProgramError
from khgen.rehearse.served_programs import ServedPrograms
from khgen.spec.model import ClusterSpec
from khgen.spec.model.values import IPAddress, IPNetwork

CONTAINERD_VERSION = "1.7"
"""containerd's version in the root directory's suite (cached_images.DISTRIBUTION)."""
MANIFEST = "rehearsal.yaml"
MANIFESTS: Mapping[str, bytes] = {
    MANIFEST: b"apiVersion: v1\nkind: ConfigMap\n"
    b"metadata: {name: khgen-rehearsal, namespace: default}\n"
}
CAP_SYS_RESOURCE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The spec as it is rehearsed, and the addresses that the bridge has."""

    spec: ClusterSpec
    gateways: tuple[tuple[IPAddress, int], ...]


def rehearsed(spec: ClusterSpec, served: ServedPrograms | None = None) -> Rehearsal:
    """The spec with the replacements above, and no others.

    With `served`, the hosts download Kubernetes' programs from a server on the bridge: where an update
    brings another version, they are not on the hosts from the start.
    """
    gateways = _gateways(spec)
    data = spec.model_dump(mode="json", by_alias=True)
    for part, values in _replacements().items():
        data[part] |= values
    if served is not None:
        artifacts = served.artifacts(str(gateways[0][0]))
        data["install"] |= {"kubernetes": "binaries", "artifacts": artifacts}
    data["image"] = None
    data["kubernetes"]["kubeProxy"]["mode"] = "iptables"
    proxy = data["kubernetes"]["kubeProxy"]["config"]
    proxy["conntrack"] = {**proxy.get("conntrack", {}), "maxPerCore": 0}
    for node in data["nodes"]:
        node["interface"] = None
        node["network"] = _network(node, gateways)
    if not spec.control_plane_endpoint.vip:
        alias = {"address": str(gateways[0][0]), "names": [spec.control_plane_endpoint.host]}
        data["os"]["hosts"].append(alias)
    return Rehearsal(spec=ClusterSpec.model_validate(data), gateways=gateways)


def _replacements() -> Mapping[str, Mapping[str, object]]:
    return {
        "install": {"kubernetes": "image", "containerd": "image", "packageVersions": {}},
        "os": {
            "family": DISTRIBUTION.family.name.value,
            "release": DISTRIBUTION.release,
            "timeSync": {"program": "unmanaged"},
            "packageMirror": None,
            "swap": "unmanaged",
        },
        "containerd": {
            "version": CONTAINERD_VERSION,
            "nerdctl": False,
            "buildkit": False,
            "restrictOomScoreAdj": not may_lower_oom_score(),
        },
        "userData": {"datasource": "nocloud", "gzip": None, "maxBytes": None},
        "addons": {"calico": None, "manifests": [{"name": "rehearsal", "path": MANIFEST}]},
        "controlPlaneEndpoint": {"interface": "auto"},
    }


def may_lower_oom_score() -> bool:
    """Whether root has CAP_SYS_RESOURCE here: runc lowers oom_score_adj for pods that matter."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    bounding = next(line for line in status.splitlines() if line.startswith("CapBnd"))
    return bool(int(bounding.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


def _network(node: Mapping[str, object], gateways: tuple[tuple[IPAddress, int], ...]) -> object:
    of_family = next(
        (address, length)
        for address, length in gateways
        if (":" in str(address)) == (":" in str(node["address"]))
    )
    return {
        "prefixLength": of_family[1],
        "gateway": str(of_family[0]),
        "interface": "eth0",
    }


def _gateways(spec: ClusterSpec) -> tuple[tuple[IPAddress, int], ...]:
    """For each address family in use: a free address, and the length of a network with all addresses."""
    taken = [a for node in spec.nodes for a in (node.address, *node.additional_addresses)]
    if spec.control_plane_endpoint.vip is not None:
        taken.append(spec.control_plane_endpoint.vip)
    found = []
    for family in (IPv4Address, IPv6Address):
        addresses = {address for address in taken if isinstance(address, family)}
        if addresses:
            network = _smallest_network(addresses)
            if network.prefixlen == 0:
                message = "no network but the whole internet holds all addresses of the spec"
                raise ProgramError(message)
            free = next(a for a in _from_the_end(network) if a not in addresses)
            found.append((free, network.prefixlen))
    return tuple(found)


def _smallest_network(addresses: AbstractSet[IPAddress]) -> IPNetwork:
    some = next(iter(addresses))
    network: IPNetwork = ip_network(f"{some}/{24 if some.version == 4 else 64}", strict=False)
    while not all(address in network for address in addresses):
        network = network.supernet()
    return network


def _from_the_end(network: IPNetwork) -> Iterator[IPAddress]:
    return (network[-back] for back in range(2, 1 << 16))
