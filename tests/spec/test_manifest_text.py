"""Manifests beside the spec: texts that are no manifest, and a different pod network."""

import pytest

from khgen.problems import problem_text
from khgen.spec.addon_manifests import network_problems, read_manifest
from khgen.spec.model.values import parse_network_list

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
CALICO = """\
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node}
spec:
  template:
    spec:
      containers:
        - name: calico-node
          env:
            - {name: IP, value: autodetect}
            - {name: CALICO_IPV4POOL_CIDR, value: NETWORK}
            - {name: CALICO_IPV6POOL_CIDR, valueFrom: {fieldRef: {fieldPath: x}}}
"""
INSTALLATION = """\
apiVersion: operator.tigera.io/v1
kind: Installation
metadata: {name: default}
spec: {calicoNetwork: {ipPools: [{cidr: NETWORK}]}}
"""
FLANNEL = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-flannel-cfg}
data:
  net-conf.json: |
    {"Network": "NETWORK", "Backend": {"Type": "vxlan"}}
"""


def messages(text: str) -> list[str]:
    problems = read_manifest(text, "m.yaml").problems
    return [f"{p.place.line}:{p.place.column} {p.message}" for p in problems]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1 there is no Kubernetes object in this file"),
        ("# a comment\n---\n---\n", "1:1 there is no Kubernetes object in this file"),
        ("\x7fELF\x02\0\0", "1:1 this is a binary file, not YAML"),
        ("a: \udcff", "1:4 byte 0xff is not valid UTF-8"),
        ("a: [1\n}", "2:1 not YAML: did not find expected ',' or ']', while parsing a flow sequence"),
        ("a: *b", "1:4 not YAML: found undefined alias"),
        ("[" * 100, "1:65 nested more than 64 levels deep"),
        ("hello", "1:1 a Kubernetes object is a mapping, this is text"),
        (f"{OBJECT}---\n- a\n", "5:1 a Kubernetes object is a mapping, this is a list"),
        ("a: 1", "1:1 this is no Kubernetes object: it lacks apiVersion, kind, metadata.name"),
        (f"{OBJECT}---\napiVersion: v1\nkind: Pod\n", "5:1 'Pod' lacks metadata.name"),
        ("apiVersion: v1\nkind: List\nitems:\n  - {kind: Pod, metadata: {name: a}}",
         "4:5 'Pod' lacks apiVersion"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_manifest_is_reported_with_its_place(text: str, said: str) -> None:
    assert messages(text) == [said]


@pytest.mark.parametrize(
    "text",
    [
        OBJECT,
        f"\ufeff---\n# more\n{OBJECT}---\n{OBJECT}",
        "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n",
        "apiVersion: v1\nkind: List\nitems: []\n---\n" + OBJECT,
        '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}',
        "apiVersion: v1\nkind: Pod\nmetadata: &m {name: a}\nother: *m\n",
    ],
)
def test_manifests_are_taken(text: str) -> None:
    assert messages(text) == []


def test_a_helm_chart_is_to_be_rendered_first() -> None:
    (problem,) = read_manifest("a: {{ .Values.a }}\nb: [", "m.yaml").problems
    assert problem.hint == "for a Helm chart, run helm template first"


@pytest.mark.parametrize(
    ("manifest", "network", "pods", "refused"),
    [
        (CALICO, "10.244.0.0/16", "10.244.0.0/16", False),
        (CALICO, "10.244.128.0/17", "10.244.0.0/16,fd00:1::/56", False),
        (CALICO, "192.168.0.0/16", "10.244.0.0/16", True),
        (CALICO, "10.0.0.0/8", "10.244.0.0/16", True),
        (CALICO, "no network", "10.244.0.0/16", False),
        (INSTALLATION, "192.168.0.0/16", "10.244.0.0/16", True),
        (INSTALLATION, "10.244.0.0/16", "10.244.0.0/16", False),
        (INSTALLATION, "fd00:2::/64", "10.244.0.0/16", True),
        (FLANNEL, "10.244.0.0/16", "10.244.0.0/16", False),
        (FLANNEL, "10.0.0.0/8", "10.244.0.0/16", False),
        (FLANNEL, "10.244.0.0/24", "10.244.0.0/16", True),
        (FLANNEL, 'broken"', "10.244.0.0/16", False),
    ],
)
def test_the_pod_network_of_a_manifest(
    manifest: str, network: str, pods: str, *, refused: bool
) -> None:
    objects = read_manifest(manifest.replace("NETWORK", network), "m.yaml").objects
    found = list(network_problems(objects, parse_network_list(pods).networks, "m.yaml"))
    assert [p.message.split("'s ")[1] for p in found] == [
        f"network {network} contradicts networking.podSubnet {pods}"
    ] * refused


def test_a_contradiction_is_shown_where_the_manifest_has_it() -> None:
    text = CALICO.replace("NETWORK", "192.168.0.0/16")
    objects = read_manifest(text, "m.yaml").objects
    networks = parse_network_list("10.244.0.0/16").networks
    (problem,) = network_problems(objects, networks, "m.yaml")
    assert problem_text(problem, text) == (
        "m.yaml:11:51: error: Calico's network 192.168.0.0/16 contradicts "
        "networking.podSubnet 10.244.0.0/16\n"
        "              - {name: CALICO_IPV4POOL_CIDR, value: 192.168.0.0/16}\n"
        "                                                    ^^^^^^^^^^^^^^\n"
        "  hint: write 10.244.0.0/16 here, or networking.podSubnet: 192.168.0.0/16 in cluster.yaml"
    )
