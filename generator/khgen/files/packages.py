"""Package repositories, and the distribution's own mirror."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from khgen.files.node_file import NodeFile
from khgen.plan.installation import (
    KUBERNETES_PROGRAMS,
    baked,
    program_version,
    runs_containerd,
)
from khgen.plan.model import NodeKind, Plan
from khgen.spec.model.machine import (
    ContainerdSource,
    KubernetesSource,
    OsFamily,
    RepositoryKey,
)

APT_LIST = PurePosixPath("/etc/apt/sources.list.d/khgen.list")
YUM_REPO = PurePosixPath("/etc/yum.repos.d/khgen.repo")
APT_KEYRINGS = PurePosixPath("/etc/apt/keyrings")
RPM_KEYS = PurePosixPath("/etc/pki/rpm-gpg")

CODENAMES: Mapping[tuple[OsFamily, str], str] = MappingProxyType(
    {
        (OsFamily.DEBIAN, "12"): "bookworm",
        (OsFamily.DEBIAN, "13"): "trixie",
        (OsFamily.UBUNTU, "22.04"): "jammy",
        (OsFamily.UBUNTU, "24.04"): "noble",
    }
)
COMPONENTS = {
    OsFamily.DEBIAN: "main",
    OsFamily.UBUNTU: "main restricted universe multiverse",
}
# Debian's security archive stands beside the main one, on mirrors too; Ubuntu's is in it.
SECURITY_SUFFIX = {OsFamily.DEBIAN: "-security", OsFamily.UBUNTU: ""}
KUBERNETES_HELD = "kubelet kubeadm kubectl cri-tools kubernetes-cni"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository besides the distribution's: whence, signed by whom, what it may not upgrade."""

    name: str
    url: str
    suite: str
    """What follows the URL in a line of sources.list."""
    key: str
    pinned: RepositoryKey | None
    """What is known of the key beforehand; without it, whatever stands at its URL is taken."""
    held: str


def package_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The list of repositories, and their keys that travel; none where the image has everything."""
    rpm = plan.spec.os.family is OsFamily.RHEL
    found = repositories(plan, kind)
    if rpm:
        path, content = YUM_REPO, "\n".join(map(_yum_section, found))
    else:
        path, content = APT_LIST, "".join((*_mirror_lines(plan), *map(_apt_line, found)))
    listing = (NodeFile(path=path, content=content),) if content else ()
    return (*listing, *(file for repository in found for file in _key_file(repository, rpm=rpm)))


def repositories(plan: Plan, kind: NodeKind) -> tuple[Repository, ...]:
    """The repositories that nodes of that kind install from."""
    if baked(plan):
        return ()
    return (*_kubernetes_repositories(plan, kind), *_docker_repository(plan, kind))


def fetched_keys(plan: Plan, kind: NodeKind) -> tuple[str, ...]:
    """name=URL of each key that the install step fetches, with #digest where one is pinned.

    dnf fetches a key that nobody pinned by itself, from where the repository's own file says.
    """
    rpm = plan.spec.os.family is OsFamily.RHEL
    return tuple(
        f"{repo.name}={repo.key}#{repo.pinned.sha256}" if repo.pinned else f"{repo.name}={repo.key}"
        for repo in repositories(plan, kind)
        if (repo.pinned.sha256 is not None if repo.pinned else not rpm)
    )


def key_path(name: str, *, rpm: bool) -> PurePosixPath:
    """Where the key of a repository is on a node."""
    return RPM_KEYS / f"RPM-GPG-KEY-khgen-{name}" if rpm else APT_KEYRINGS / f"{name}.asc"


def _key_file(repository: Repository, *, rpm: bool) -> Iterator[NodeFile]:
    pinned = repository.pinned
    if pinned is None or pinned.sha256 is not None:
        return
    if pinned.text is None:
        message = f"the key of {repository.name} was not read from {pinned.path}"
        raise LookupError(message)
    yield NodeFile(path=key_path(repository.name, rpm=rpm), content=pinned.text)


def _kubernetes_repositories(plan: Plan, kind: NodeKind) -> Iterator[Repository]:
    # https://kubernetes.io/blog/2023/08/15/pkgs-k8s-io-introduction/: one repository a minor.
    if plan.spec.install.kubernetes is not KubernetesSource.PACKAGES:
        return
    rpm = plan.spec.os.family is OsFamily.RHEL
    programs = KUBERNETES_PROGRAMS[kind]
    versions = (program_version(plan, p).minor for p in programs)
    for number, minor in enumerate(dict.fromkeys(versions)):
        url = f"{plan.spec.install.kubernetes_repository.rstrip('/')}/v{minor}/"
        url += "rpm/" if rpm else "deb/"
        yield Repository(
            name=f"kubernetes-{minor}" if number else "kubernetes",
            url=url,
            suite="/",
            key=f"{url}repodata/repomd.xml.key" if rpm else f"{url}Release.key",
            pinned=plan.spec.install.kubernetes_repository_key,
            held=KUBERNETES_HELD,
        )


def _docker_repository(plan: Plan, kind: NodeKind) -> Iterator[Repository]:
    if plan.spec.install.containerd is not ContainerdSource.DOCKER or not runs_containerd(kind):
        return
    os = plan.spec.os
    rpm = os.family is OsFamily.RHEL
    base = f"{plan.spec.install.docker_repository.rstrip('/')}/{'centos' if rpm else os.family}"
    yield Repository(
        name="docker",
        url=f"{base}/{os.release.split('.')[0]}/$basearch/stable" if rpm else base,
        suite="" if rpm else f"{CODENAMES[os.family, os.release]} stable",
        key=f"{base}/gpg",
        pinned=plan.spec.install.docker_repository_key,
        held="containerd.io",
    )


def _apt_line(repository: Repository) -> str:
    key = key_path(repository.name, rpm=False)
    return f"deb [signed-by={key}] {repository.url} {repository.suite}\n"


def _yum_section(repository: Repository) -> str:
    here = f"file://{key_path(repository.name, rpm=True)}"
    return (
        f"[{repository.name}]\nname={repository.name}\nbaseurl={repository.url}\n"
        f"gpgcheck=1\ngpgkey={here if repository.pinned else repository.key}\nexclude={repository.held}\n"
    )


def _mirror_lines(plan: Plan) -> Iterator[str]:
    os = plan.spec.os
    if os.package_mirror is None or baked(plan):
        return
    mirror, suite = os.package_mirror.rstrip("/"), CODENAMES[os.family, os.release]
    key = f"[signed-by=/usr/share/keyrings/{os.family}-archive-keyring.gpg]"
    for url, name in (
        (mirror, suite),
        (mirror, f"{suite}-updates"),
        (mirror + SECURITY_SUFFIX[os.family], f"{suite}-security"),
    ):
        yield f"deb {key} {url} {name} {COMPONENTS[os.family]}\n"
