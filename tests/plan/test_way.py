"""The way to another version: its steps, what each needs, and what blocks it."""

from typing import Any

import pytest

from khgen.facts.kubernetes import MINORS, SUPPORTED_MINORS
from khgen.facts.version import KubernetesVersion
from khgen.plan.cluster_plan import build_plan, founders_of
from khgen.plan.upgrade import (
    CHECKS,
    ETCD_NOTE,
    NOTES,
    Hop,
    NoWayError,
    hop_images,
    is_blocked,
    spec_at,
    way_to,
)
from khgen.spec.load import CHECKS as EVERY_CHECK
from khgen.spec.model import ClusterSpec
from support.spec_texts import Changes, loaded

API_SERVER = "kubernetes.apiServer.extraArgs"
CONTROLLER_MANAGER = "kubernetes.controllerManager.extraArgs"
KUBELET = "kubernetes.kubelet.config"
NEWEST = KubernetesVersion.parse(
    f"{SUPPORTED_MINORS[-1]}.{MINORS[SUPPORTED_MINORS[-1]].newest_patch}"
)


def version(text: str) -> KubernetesVersion:
    return KubernetesVersion.parse(text)


def spec_with(changes: Changes) -> ClusterSpec:
    found = loaded(changes)
    assert found.spec is not None, [problem.message for problem in found.problems]
    return found.spec


def way(changes: Changes, running: str, wanted: str, **kubelets: str) -> tuple[Hop, ...]:
    nodes = {name: version(text) for name, text in kubelets.items()}
    return way_to(spec_with(changes), version(running), version(wanted), nodes)


def versions(hops: tuple[Hop, ...]) -> list[str]:
    return [str(hop.version) for hop in hops]


@pytest.mark.parametrize(
    ("running", "wanted", "steps"),
    [
        ("1.29.6", "1.29.6", []),
        ("1.29.6", "1.29.9", ["1.29.9"]),
        ("1.29.9", "1.29.6", ["1.29.6"]),
        ("1.29.6", "1.30.1", ["1.30.1"]),
        ("1.29.6", "1.32.0", ["1.30.14", "1.31.14", "1.32.0"]),
        ("1.28.3", "1.30.0", ["1.29.14", "1.30.0"]),
    ],
)
def test_there_is_a_step_for_each_minor(running: str, wanted: str, steps: list[str]) -> None:
    assert versions(way({}, running, wanted)) == steps


@pytest.mark.parametrize(
    ("running", "wanted", "why"),
    [
        ("1.31.0", "1.30.14", "older than 1.31.0"),
        ("1.29.6", "1.99.0", "1.99 is not supported: khgen knows 1.29 to 1.36"),
        ("1.27.0", "1.29.6", "no way from Kubernetes 1.27"),
        ("2.30.0", "1.30.0", "older than 2.30.0"),
    ],
)
def test_there_is_no_way(running: str, wanted: str, why: str) -> None:
    with pytest.raises(NoWayError, match=why):
        way({}, running, wanted)


@pytest.mark.parametrize(
    ("changes", "running", "at", "message"),
    [
        (
            {f"{API_SERVER}.cloud-provider": "external"},
            "1.29.6",
            "1.33.13",
            "kube-apiserver 1.33 has no flag 'cloud-provider'",
        ),
        (
            {f"{API_SERVER}.feature-gates": "AppArmor=false"},
            "1.29.6",
            "1.31.14",
            "locked the feature gate 'AppArmor' to true",
        ),
        (
            {f"{CONTROLLER_MANAGER}.volume-host-cidr-denylist": "10.0.0.0/8"},
            "1.30.1",
            "1.31.14",
            "kube-controller-manager 1.31 has no flag",
        ),
        (
            {"nodes.3.kubeletExtraArgs": {"register-schedulable": "true"}},
            "1.29.6",
            "1.34.9",
            "kubelet 1.34 has no flag 'register-schedulable'",
        ),
        (
            {f"{KUBELET}.featureGates": {"KMSv2": True}},
            "1.29.6",
            "1.32.13",
            "kubelet 1.32 has no feature gate 'KMSv2'",
        ),
        (
            {"kubernetes.featureGates": {"EtcdLearnerMode": True}},
            "1.29.6",
            "1.33.13",
            "kubeadm 1.33 has no feature gate 'EtcdLearnerMode'",
        ),
        (
            {"kubernetes.version": "1.33.1", f"{KUBELET}.userNamespaces": {"idsPerPod": 65536}},
            "1.31.2",
            "1.32.13",
            "no field 'userNamespaces' in Kubernetes 1.32",
        ),
        (
            {"install.packageVersions": {"kubelet": "1.29.6"}},
            "1.29.6",
            "1.33.13",
            "kubelet 1.29.6 does not work with Kubernetes 1.33.13",
        ),
        (
            {"install.packageVersions": {"kubeadm": "1.29.6"}},
            "1.29.6",
            "1.30.14",
            "kubeadm 1.29.6 does not work with Kubernetes 1.30.14",
        ),
    ],
)
def test_a_change_is_due_once_at_its_step(
    changes: dict[str, Any], running: str, at: str, message: str
) -> None:
    hops = way(changes, running, str(NEWEST))
    found = [(str(hop.version), finding.message) for hop in hops for finding in hop.findings]
    assert [where for where, text in found if message in text] == [at]
    assert len(found) == 1
    assert is_blocked(hops)
    before = [hop for hop in hops if hop.version < version(at)]
    assert not is_blocked(tuple(before))


def test_a_sound_spec_is_not_blocked_and_a_warning_does_not_block() -> None:
    assert not is_blocked(way({}, "1.29.6", str(NEWEST)))
    ipvs = way({"kubernetes.kubeProxy": {"mode": "ipvs"}}, "1.29.6", str(NEWEST))
    assert [str(hop.version) for hop in ipvs if hop.findings] == ["1.35.6"]
    assert not is_blocked(ipvs)


def test_every_check_that_reads_the_version_is_run() -> None:
    reads = {c.find for c in EVERY_CHECK if ("kubernetes", "version") in c.reads}
    assert {check.find for check in CHECKS} >= reads


def test_a_kubelet_more_than_three_minors_behind_blocks_the_first_step() -> None:
    hops = way({}, "1.31.0", "1.33.0", cp1="1.31.0", w1="1.29.6", w2="1.28.9")
    assert [hop.oldest_kubelet for hop in hops] == ["1.29", "1.30"]
    assert [hop.too_old for hop in hops] == [("w2",), ("w1", "w2")]
    assert is_blocked(hops)
    later = way({}, "1.31.0", "1.33.0", cp1="1.31.0", w1="1.29.6")
    assert not is_blocked(later), "the first step brings w1 along"


def test_kubeadms_configuration_migrates_once() -> None:
    hops = way({}, "1.29.6", str(NEWEST))
    assert [str(hop.version) for hop in hops if hop.migrates] == ["1.31.14"]
    assert {hop.config_api for hop in hops[:1]} == {"kubeadm.k8s.io/v1beta3"}
    assert {hop.config_api for hop in hops[1:]} == {"kubeadm.k8s.io/v1beta4"}


def test_notes_come_at_their_minor_and_only_where_they_concern_the_spec() -> None:
    hops = way({}, "1.29.6", str(NEWEST))
    shown = {note.text: hop.version.minor for hop in hops for note in hop.notes}
    wanted = {note.text: note.minor for note in NOTES if note.concerns(spec_with({}))}
    assert shown == wanted | {ETCD_NOTE.text: "1.34"}
    newer = way({"containerd.version": "2.x"}, "1.34.0", str(NEWEST))
    assert not any("containerd" in note.text for hop in newer for note in hop.notes)
    older = way({"containerd.version": "1.7.1"}, "1.31.0", "1.32.0")
    assert any("CDI" in note.text for hop in older for note in hop.notes)
    flex = {f"{CONTROLLER_MANAGER}.flex-volume-plugin-dir": "/opt"}
    assert any("flex" in note.text for hop in way(flex, "1.35.0", "1.36.0") for note in hop.notes)
    assert way({}, "1.34.0", "1.34.9")[0].notes == ()
    assert {note.minor for note in NOTES} <= set(SUPPORTED_MINORS)


def test_a_pinned_etcd_moves_to_no_other_minor() -> None:
    (hop,) = way({"etcd.imageTag": "3.5.26-0"}, "1.33.13", "1.34.9")
    assert ETCD_NOTE not in hop.notes
    assert "registry.k8s.io/etcd:3.5.26-0" in hop.images


@pytest.mark.parametrize(
    ("changes", "programs", "repository"),
    [
        (
            {},
            ["kubeadm=1.30.1-*", "kubelet=1.30.1-*", "kubectl=1.30.1-*"],
            "https://pkgs.k8s.io/core:/stable:/v1.30/deb/",
        ),
        (
            {
                "install.kubernetes": "binaries",
                "install.architecture": "arm64",
                "install.artifacts": {
                    name: {"url": "https://example.com/x", "sha256": "0" * 64}
                    for name in ("cniPlugins", "crictl", "kubeadm", "kubelet", "kubectl")
                },
            },
            [
                f"https://dl.k8s.io/release/v1.30.1/bin/linux/arm64/{name}"
                for name in ("kubeadm", "kubelet", "kubectl")
            ],
            None,
        ),
        ({"install": {"kubernetes": "image", "containerd": "image"}}, [], None),
    ],
)
def test_programs_come_as_the_spec_wants_them(
    changes: dict[str, Any], programs: list[str], repository: str | None
) -> None:
    (hop,) = way(changes, "1.29.6", "1.30.1")
    assert list(hop.programs) == programs
    assert hop.repository == repository


def test_another_registry_has_coredns_without_a_folder() -> None:
    spec = spec_at(spec_with({"kubernetes.imageRepository": "r.lan:5000/k8s"}), version("1.31.0"))
    images = hop_images(build_plan(spec, founders_of(spec)))
    assert "r.lan:5000/k8s/coredns:v1.11.1" in images
    assert all(image.startswith("r.lan:5000/k8s/") for image in images)
