"""Settings that give up a protection are reported: each row of the tables, each way to write a value."""

import pytest

from khgen.problems import Severity
from khgen.spec.check.components import go_bool, go_int
from khgen.spec.check.downloads import first_use
from khgen.spec.check.weakening import INSECURE_CIPHERS, WEAK_FIELDS, WEAK_FLAGS
from support.rendering import EXAMPLES, example_spec
from support.spec_texts import Changes, loaded

API = "kubernetes.apiServer.extraArgs"
KUBELET = "nodes.3.kubeletExtraArgs"
ETCD = "etcd.extraArgs"
CONFIG = "kubernetes.kubelet.config"
SUITE = "TLS_ECDHE_RSA_WITH_RC4_128_SHA"
GOOD_SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
OLD, NEW = "VersionTLS11", "VersionTLS12"
PIN = {"url": "http://e.com/x", "sha256": "0" * 64}
SECURE = {"url": "https://e.com/x", "sha256": "0" * 64}

# (where, flag or field, a value that gives something up, one that does not)
SETTINGS: tuple[tuple[str, str, object, object], ...] = (
    (API, "authorization-mode", "Node,RBAC,AlwaysAllow", "Node,RBAC,Webhook"),
    (API, "token-auth-file", "/etc/kubernetes/pki/tokens.csv", ""),
    (API, "service-account-lookup", "F", "T"),
    (API, "tls-min-version", OLD, NEW),
    (API, "tls-cipher-suites", f"{GOOD_SUITE},{SUITE}", GOOD_SUITE),
    ("kubernetes.controllerManager.extraArgs", "tls-min-version", "VersionTLS10", NEW),
    ("kubernetes.scheduler.extraArgs", "tls-min-version", OLD, "VersionTLS13"),
    (KUBELET, "authorization-mode", "AlwaysAllow", "Webhook"),
    (KUBELET, "anonymous-auth", "1", "0"),
    (KUBELET, "read-only-port", "10255", "0"),
    (KUBELET, "read-only-port", "0x280f", "0x0"),
    (KUBELET, "tls-min-version", OLD, NEW),
    (KUBELET, "tls-cipher-suites", SUITE, GOOD_SUITE),
    (ETCD, "auto-tls", "TRUE", "False"),
    (ETCD, "peer-auto-tls", True, False),
    (ETCD, "experimental-peer-skip-client-san-verification", "t", "f"),
    (ETCD, "peer-skip-client-san-verification", "t", "f"),
    (ETCD, "listen-client-http-urls", "http://10.0.0.1:2378", "https://10.0.0.1:2378"),
    (ETCD, "cipher-suites", SUITE, GOOD_SUITE),
    (CONFIG, "authentication.anonymous.enabled", True, False),
    (CONFIG, "authorization.mode", "AlwaysAllow", "Webhook"),
    (CONFIG, "readOnlyPort", 10255, 0),
    (CONFIG, "tlsMinVersion", OLD, NEW),
    (CONFIG, "tlsCipherSuites", [GOOD_SUITE, SUITE], [GOOD_SUITE]),
)
# (an http URL and what else it takes, its path)
PLAIN: tuple[tuple[Changes, str], ...] = (
    ({"os.packageMirror": "http://e.com"}, "os.packageMirror"),
    ({"install.kubernetesRepository": "http://e.com"}, "install.kubernetesRepository"),
    ({"install.dockerRepository": "http://e.com"}, "install.dockerRepository"),
    (
        {
            "install": {
                "containerd": "tarball",
                "artifacts": {"containerd": PIN, "runc": SECURE, "cniPlugins": SECURE},
            }
        },
        "install.artifacts.containerd.url",
    ),
    ({"addons.calico": PIN}, "addons.calico.url"),
    ({"addons.manifests": [{"name": "a"} | PIN]}, "addons.manifests[0].url"),
    (
        {"image.base": {"url": "HTTP://e.com/x", "checksum": f"sha256:{'0' * 64}"}},
        "image.base.url",
    ),
    (
        {
            "containerd.registryMirrors": [
                {"registry": "docker.io", "endpoints": ["https://a.lan", "http://b.lan"]}
            ]
        },
        "containerd.registryMirrors[0].endpoints[1]",
    ),
)
NODE_ERRORS = (
    ("enable-admission-plugins", "PodSecurity", "PodSecurity,NodeRestriction"),
    ("enable-admission-plugins", "", "NodeRestriction"),
    ("disable-admission-plugins", "PodSecurity, NodeRestriction", "PodSecurity"),
    ("authorization-mode", "AlwaysAllow", "Node,RBAC"),
    ("authorization-mode", "Node", "RBAC, Node"),
)


def warned(changes: Changes) -> set[str]:
    found = loaded(changes)
    assert found.spec is not None, found.problems
    return {p.place.path for p in found.problems if p.severity is Severity.WARNING}


def nested(path: str, value: object) -> object:
    for step in reversed(path.split(".")):
        value = {step: value}
    return value


@pytest.mark.parametrize(("where", "name", "weak", "sound"), SETTINGS)
def test_a_setting_that_gives_up_a_protection_is_a_warning(
    where: str, name: str, weak: object, sound: object
) -> None:
    place = f"{where.replace('.3.', '[3].')}.{name}"
    assert place in warned({where: nested(name, weak)})
    assert place not in warned({where: nested(name, sound)})


def test_every_row_of_the_tables_is_tried() -> None:
    tried = {name for _, name, _, _ in SETTINGS}
    assert {row.name for row in WEAK_FLAGS} | {".".join(r.path) for r in WEAK_FIELDS} == tried


@pytest.mark.parametrize(("flag", "refused", "accepted"), NODE_ERRORS)
def test_a_setting_that_lets_a_node_act_for_others_is_an_error(
    flag: str, refused: str, accepted: str
) -> None:
    place = f"{API}.{flag}"
    assert place in {p.place.path for p in loaded({API: {flag: refused}}).problems.errors}
    assert not loaded({API: {flag: accepted}}).problems


@pytest.mark.parametrize(("changes", "place"), PLAIN, ids=[place for _, place in PLAIN])
def test_plain_http_is_a_warning(changes: Changes, place: str) -> None:
    assert place in warned(changes)


@pytest.mark.parametrize("text", ["0", "f", "F", "FALSE", "false", "False", False])
def test_gos_spellings_of_false_close_the_health_checks_too(text: object) -> None:
    problems = loaded({API: {"anonymous-auth": text}}).problems
    assert "health checks" in problems.errors[0].message


def test_booleans_and_numbers_are_read_as_go_reads_them() -> None:
    assert [go_bool(text) for text in ("t", "True", "0", "tRUE", "yes", "", None)] == [
        *(True, True, False),
        *(None, None, None, None),
    ]
    assert [go_int(text) for text in ("0", "010", "0x10", "08", "-1", "x", "")] == [
        *(0, 8, 16),
        *(None, -1, None, None),
    ]


def test_the_insecure_cipher_suites_are_gos() -> None:
    assert len(INSECURE_CIPHERS) == 12
    assert all(
        "RC4" in s or "3DES" in s or "_CBC_" in s or "TLS_RSA_" in s for s in INSECURE_CIPHERS
    )


@pytest.mark.parametrize("source", ["ec2", "hetzner", "openstack", "azure", "gce", "cloudstack"])
def test_ca_keys_at_a_metadata_service_are_a_warning(source: str) -> None:
    exposed: Changes = {"userData.datasource": source}
    assert "userData.datasource" in warned(exposed)
    assert "userData.datasource" not in warned(exposed | {"pki.caKeys": "offline"})
    closed = "userData.datasource" not in warned(exposed | {"os.blockMetadata": True})
    # CloudStack's is no fixed address that a rule could name.
    assert closed is (source != "cloudstack")


@pytest.mark.parametrize("source", ["nocloud", "vmware", "proxmox"])
def test_no_warning_if_no_service_hands_out_user_data(source: str) -> None:
    assert "userData.datasource" not in warned({"userData.datasource": source})


def trusted(changes: Changes) -> list[str]:
    spec = loaded(changes).spec
    assert spec is not None
    return [finding.message for finding in first_use(spec)]


def test_trust_on_first_use_is_one_warning_until_every_key_is_known() -> None:
    pin = {"sha256": "0" * 64}
    both = "the signing keys of the repositories kubernetes and docker are trusted on first use"
    one = "the signing key of the repository docker is trusted on first use"
    assert trusted({}) == [both]
    assert trusted({"install.kubernetesRepositoryKey": {"path": "k8s.asc"}}) == [one]
    assert trusted({"install": {"kubernetes": "image"}}) == [one]
    assert not trusted({"install": {"kubernetes": "image", "containerd": "distribution"}})
    assert not trusted({"install": {"kubernetesRepositoryKey": pin, "dockerRepositoryKey": pin}})


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_warns_of_it_once_at_most(name: str) -> None:
    assert len(list(first_use(example_spec(name)))) <= 1
