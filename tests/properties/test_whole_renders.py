"""What holds for every cluster: files come back out of user-data, secrets stay where they belong."""

import base64
import gzip
from pathlib import PurePosixPath
from random import Random

import yaml
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from khgen.bundle.user_data import files_of_user_data
from khgen.plan.cluster_plan import NodeKind, NodePlan
from khgen.render import ClusterRender, RenderedNode
from support.rendering import render_of, spec_of
from support.spec_strategy import SpecData, spec_data, spec_text

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KEY_MARK = "PRIVATE KEY-----"


def rendered(data: SpecData) -> ClusterRender:
    return render_of(spec_of(spec_text(data)))


def decoded(delivered: bytes) -> bytes:
    """User-data as cloud-init decodes it: base64 first, then gzip, if it is either."""
    if not delivered.startswith((b"#", b"\x1f\x8b")):
        delivered = base64.b64decode(delivered, validate=True)
    return gzip.decompress(delivered) if delivered.startswith(b"\x1f\x8b") else delivered


def contents(node: RenderedNode) -> dict[str, str]:
    return {str(file.path): file.content for file in node.files}


@quick
@given(spec_data())
def test_user_data_holds_every_file_as_it_will_be(data: SpecData) -> None:
    render = rendered(data)
    for node in map(render.node, render.plan.nodes):
        text = decoded(node.user_data.delivered)
        assert text == node.user_data.text
        assert text.startswith(b"#cloud-config\n")
        document = yaml.safe_load(text)
        assert document["hostname"] == node.node.name
        written = files_of_user_data(node.user_data.delivered)
        assert set(written) == set(node.files)
        assert len({file.path for file in written}) == len(written), "no path twice"


@quick
@given(spec_data())
def test_secrets_are_private_and_paths_are_absolute(data: SpecData) -> None:
    render = rendered(data)
    for node in map(render.node, render.plan.nodes):
        for file in node.files:
            assert file.path.is_absolute()
            assert file.path == PurePosixPath(str(file.path))
            assert file.content.endswith("\n"), file.path
            if KEY_MARK in file.content or "client-key-data" in file.content:
                assert file.mode & 0o077 == 0, file.path


@quick
@given(spec_data())
def test_no_ca_key_leaves_for_a_node_that_must_not_have_it(data: SpecData) -> None:
    render = rendered(data)
    offline = data["pki"] == {"caKeys": "offline"}
    for node in render.plan.nodes:
        files = contents(render.node(node))
        keys = {path for path in files if path.endswith("ca.key")}
        if offline or node.kind not in {NodeKind.FOUNDER, NodeKind.CONTROL_PLANE_JOINER}:
            assert keys == set(), node.kind
        else:
            assert "/etc/kubernetes/pki/ca.key" in keys
        if node.kind is NodeKind.LOAD_BALANCER:
            assert not any(KEY_MARK in text for text in files.values())


@quick
@given(spec_data())
def test_no_private_key_is_on_two_nodes_but_what_control_planes_share(data: SpecData) -> None:
    render = rendered(data)
    shared = {"ca.key", "sa.key", "front-proxy-ca.key"}
    holders: dict[str, set[str]] = {}
    for node in render.plan.nodes:
        for path, text in contents(render.node(node)).items():
            if KEY_MARK in text and PurePosixPath(path).name not in shared:
                holders.setdefault(text, set()).add(node.name)
    assert all(len(names) == 1 for names in holders.values())


@quick
@given(spec_data())
def test_every_address_of_a_server_is_in_its_certificate(data: SpecData) -> None:
    render = rendered(data)
    for node in render.plan.nodes:
        files = contents(render.node(node))
        for path, text in files.items():
            if PurePosixPath(path).name in {"apiserver.crt", "server.crt", "peer.crt"}:
                names = subject_alternative_names(text)
                assert set(node.addresses) <= set(names.get_values_for_type(x509.IPAddress))
                assert node.name in names.get_values_for_type(x509.DNSName)
                if path.endswith("apiserver.crt"):
                    assert_reaches_the_endpoint(render, names)


def subject_alternative_names(pem: str) -> x509.SubjectAlternativeName:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def assert_reaches_the_endpoint(render: ClusterRender, names: x509.SubjectAlternativeName) -> None:
    texts = {str(a) for a in names.get_values_for_type(x509.IPAddress)}
    texts |= set(names.get_values_for_type(x509.DNSName))
    services = map(str, render.plan.networks.api_service_addresses)
    assert {render.plan.endpoint.host, "kubernetes.default.svc.cluster.local", *services} <= texts


@quick
@given(spec_data(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_does_not_matter(data: SpecData, random: Random) -> None:
    first = rendered(data)
    nodes = list(data["nodes"])  # type: ignore[arg-type]
    random.shuffle(nodes)
    second = rendered({**data, "nodes": nodes})
    for node in first.plan.nodes:
        other: NodePlan = second.plan.by_name[node.name]
        assert second.node(other).user_data.text == first.node(node).user_data.text


@quick
@given(spec_data())
def test_a_worker_more_leaves_the_others_alone(data: SpecData) -> None:
    first = rendered(data)
    extra = {"name": "late", "role": "worker", "address": "10.40.0.200"}
    nodes = list(data["nodes"])  # type: ignore[arg-type]
    more = render_of(spec_of(spec_text({**data, "nodes": [extra, *nodes]})))
    # The founders are those of the first render, as the secrets file records.
    for node in first.plan.nodes:
        assert (
            more.node(more.plan.by_name[node.name]).user_data.delivered
            == first.node(node).user_data.delivered
        )
