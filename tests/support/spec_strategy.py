"""Clusters at random, all of them sound, for property tests."""

from ipaddress import IPv4Address

from hypothesis import strategies as st

from khgen.yaml_text import YamlValue, dump_yaml

NODES = IPv4Address("10.40.0.10")

SpecData = dict[str, YamlValue]


def _node(name: str, role: str, number: int) -> SpecData:
    return {"name": name, "role": role, "address": str(NODES + number)}


@st.composite
def spec_data(draw: st.DrawFn) -> SpecData:
    """A cluster.yaml as data: any topology, one to five control planes, a few workers."""
    external_etcd = draw(st.booleans())
    balancer = draw(st.sampled_from(["vip", "dedicated", "external"]))
    roles = ["control-plane"] * draw(st.sampled_from([1, 3, 5]))
    roles += ["etcd"] * (draw(st.sampled_from([1, 3, 5])) if external_etcd else 0)
    roles += ["load-balancer"] * (2 if balancer == "dedicated" else 0)
    roles += ["worker"] * draw(st.integers(0, 4))
    order = draw(st.permutations(range(len(roles))))
    nodes = [_node(f"n{i}-{roles[i]}", roles[i], i) for i in order]
    endpoint: SpecData = {"vip": "10.40.0.5", "port": 6443 if balancer == "dedicated" else 8443}
    if balancer == "external":
        endpoint = {"host": "api.example.com", "port": 443}
    family, release = draw(
        st.sampled_from([("debian", "12"), ("ubuntu", "22.04"), ("ubuntu", "24.04"), ("rhel", "9")])
    )
    return {
        "apiVersion": "khgen/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": "any"},
        "kubernetes": {"version": draw(st.sampled_from(["1.29.6", "1.30.2", "1.31.1"]))},
        "networking": {"podSubnet": "10.244.0.0/16", "serviceSubnet": "10.96.0.0/16"},
        "controlPlaneEndpoint": endpoint,
        "etcd": {"topology": "external" if external_etcd else "stacked"},
        "pki": {"caKeys": draw(st.sampled_from(["control-plane", "offline"]))},
        "os": {
            "family": family,
            "release": release,
            "swap": draw(st.sampled_from(["off", "unmanaged"])),
        },
        "containerd": {"version": draw(st.sampled_from(["1.7", "2.1"]))},
        "userData": {"datasource": draw(st.sampled_from(["nocloud", "openstack", "gce"]))},
        "nodes": nodes,
    }


def spec_text(data: SpecData) -> str:
    """The data as cluster.yaml."""
    return dump_yaml(data)
