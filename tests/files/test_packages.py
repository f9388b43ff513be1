"""Package repositories: URL, signing key, and what they may not upgrade."""

import configparser
from pathlib import Path

import pytest

from khgen.files.golden_image import image_files
from khgen.files.operating_system import apt_url, fetched_keys, install_environment, package_files
from khgen.plan.cluster_plan import NodeKind, Plan
from support.machine_specs import BAKED, DEBIAN, ROCKY, UBUNTU, machine_plan
from support.programs import assert_accepts, require_program

KUBERNETES = "https://pkgs.k8s.io/core:/stable:/v1.29"


def listing(plan: Plan, kind: NodeKind = NodeKind.WORKER) -> str:
    files = package_files(plan, kind)
    return files[0].content if files else ""


@pytest.mark.parametrize(
    ("system", "docker"),
    [
        (DEBIAN, "https://download.docker.com/linux/debian bookworm stable"),
        (UBUNTU, "https://download.docker.com/linux/ubuntu noble stable"),
    ],
)
def test_apt_lists(system: dict[str, object], docker: str) -> None:
    assert listing(machine_plan(os=system)).splitlines() == [
        f"deb [signed-by=/etc/apt/keyrings/kubernetes.asc] {KUBERNETES}/deb/ /",
        f"deb [signed-by=/etc/apt/keyrings/docker.asc] {docker}",
    ]


def test_yum_repositories_hold_their_packages() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(listing(machine_plan(os=ROCKY)))
    assert parser.sections() == ["kubernetes", "docker"]
    assert parser["kubernetes"]["baseurl"] == f"{KUBERNETES}/rpm/"
    assert parser["kubernetes"]["gpgcheck"] == "1"
    assert "kubelet" in parser["kubernetes"]["exclude"].split()
    docker = "https://download.docker.com/linux/centos"
    assert parser["docker"]["baseurl"] == f"{docker}/9/$basearch/stable"
    assert parser["docker"]["gpgkey"] == f"{docker}/gpg"
    assert parser["docker"]["exclude"] == "containerd.io"


def test_another_minor_of_a_program_comes_from_its_own_repository() -> None:
    plan = machine_plan(install={"packageVersions": {"kubelet": "1.28.11"}})
    assert "/v1.28/deb/" in listing(plan)
    assert "/v1.29/deb/" in listing(plan)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(
        listing(machine_plan(os=ROCKY, install={"packageVersions": {"kubelet": "1.28.11"}}))
    )
    assert parser.sections() == ["kubernetes", "kubernetes-1.28", "docker"]


def test_mirror_of_debian_has_the_security_archive_beside_it() -> None:
    plan = machine_plan(os={**DEBIAN, "packageMirror": "https://m.example.org/debian/"})
    lines = listing(plan, NodeKind.LOAD_BALANCER).splitlines()
    assert [line.split("] ")[1] for line in lines] == [
        "https://m.example.org/debian bookworm main",
        "https://m.example.org/debian bookworm-updates main",
        "https://m.example.org/debian-security bookworm-security main",
    ]
    assert all("signed-by=/usr/share/keyrings/debian-archive-keyring.gpg" in x for x in lines)


def test_mirror_of_ubuntu_has_the_security_suite_in_it() -> None:
    plan = machine_plan(os={**UBUNTU, "packageMirror": "https://m.example.org/ubuntu"})
    assert "https://m.example.org/ubuntu noble-security main restricted" in listing(plan)


@pytest.mark.parametrize("system", [DEBIAN, ROCKY])
def test_a_baked_image_needs_no_repository(system: dict[str, object]) -> None:
    mirrored = {**system, "packageMirror": "https://m.example.org/x"}
    assert not package_files(machine_plan(os=mirrored, install=BAKED), NodeKind.WORKER)


def test_a_load_balancer_needs_the_distributions_packages_alone() -> None:
    assert not package_files(machine_plan(), NodeKind.LOAD_BALANCER)


SHA256 = "5" * 64
ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQIN\n-----END PGP PUBLIC KEY BLOCK-----\n"


def keyed(system: object, **keys: object) -> Plan:
    install: dict[str, object] = {f"{name}RepositoryKey": key for name, key in keys.items()}
    return machine_plan(os=system, install=install)


def test_an_apt_key_is_pinned_by_its_digest() -> None:
    plan = keyed(DEBIAN, kubernetes={"sha256": SHA256})
    assert fetched_keys(plan, NodeKind.WORKER) == (
        f"kubernetes={KUBERNETES}/deb/Release.key#{SHA256}",
        "docker=https://download.docker.com/linux/debian/gpg",
    )
    assert listing(plan) == listing(machine_plan(os=DEBIAN))


def test_an_rpm_key_is_pinned_by_its_digest_and_then_read_from_its_file() -> None:
    plan = keyed(ROCKY, kubernetes={"sha256": SHA256})
    url = f"{KUBERNETES}/rpm/repodata/repomd.xml.key"
    assert fetched_keys(plan, NodeKind.WORKER) == (f"kubernetes={url}#{SHA256}",)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(listing(plan))
    assert parser["kubernetes"]["gpgkey"] == "file:///etc/pki/rpm-gpg/RPM-GPG-KEY-khgen-kubernetes"
    assert parser["docker"]["gpgkey"] == "https://download.docker.com/linux/centos/gpg"


@pytest.mark.parametrize(
    ("system", "path"),
    [
        (UBUNTU, "/etc/apt/keyrings/docker.asc"),
        (ROCKY, "/etc/pki/rpm-gpg/RPM-GPG-KEY-khgen-docker"),
    ],
)
def test_a_key_in_the_spec_travels_and_nothing_is_fetched(system: object, path: str) -> None:
    plan = keyed(system, docker={"text": ARMOUR}, kubernetes={"text": ARMOUR})
    assert not fetched_keys(plan, NodeKind.WORKER)
    files = {str(file.path): file.content for file in package_files(plan, NodeKind.WORKER)}
    assert files[path] == ARMOUR
    assert len(files) == 3
    assert path in next(iter(files.values()))


def test_a_golden_image_brings_the_keys() -> None:
    base = {"url": "image.qcow2", "checksum": f"sha256:{SHA256}"}
    plan = machine_plan(image={"base": base}, install={"dockerRepositoryKey": {"text": ARMOUR}})
    assert "/etc/apt/keyrings/docker.asc" in {str(file.path) for file in image_files(plan)}
    assert not package_files(plan, NodeKind.WORKER)


def test_apt_and_dnf_read_a_url_as_it_was_given() -> None:
    url = "https://m.example.org/a%2fb,c!d&e"
    plan = machine_plan(os=DEBIAN | {"packageMirror": url}, install={"kubernetesRepository": url})
    assert all("/a%252fb,c!d&e" in line for line in listing(plan).splitlines()[:4])
    rocky = machine_plan(os=ROCKY | {"packageMirror": url}, install={"kubernetesRepository": url})
    assert f"baseurl={url.replace(',', '%2C')}/v1.29/rpm/\n" in listing(rocky)
    assert install_environment(rocky, NodeKind.WORKER)["PACKAGE_MIRROR"] == (
        "https://m.example.org/a%2fb%2Cc!d&e"
    )


@pytest.mark.tools
def test_the_real_apt_decodes_the_url(tmp_path: Path) -> None:
    url = "https://m.example.org/a%2fb,c!d&e"
    apt_get = require_program("apt-get")
    listed = tmp_path / "khgen.list"
    listed.write_text(f"deb [trusted=yes] {apt_url(url)} /\n")
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    options = (f"Dir::Etc::sourcelist={listed}", "Dir::Etc::sourceparts=/dev/null",
               f"Dir::State::lists={tmp_path / 'lists'}", f"Dir::Cache={tmp_path}")  # fmt: skip
    said = assert_accepts(
        [
            apt_get,
            *(word for option in options for word in ("-o", option)),
            "--print-uris",
            "update",
        ]
    )
    assert f"'{url}/InRelease'" in said
