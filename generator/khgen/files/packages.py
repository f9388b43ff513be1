"""Package repositories, and the distribution's own mirror."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from khgen.facts.distributions import DEB, RPM, PackageFormat
from khgen.plan.installation import (
    KUBERNETES_PROGRAMS,
    baked,
    program_version,
    runs_containerd,
)
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.spec.model.machine import (
    ContainerdSource,
    KubernetesSource,
    RepositoryKey,
)

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
    found = repositories(plan, kind)
    packages = plan.distribution.family.package_format
    if packages is RPM:
        content = "\n".join(map(_yum_section, found))
    else:
        content = "".join((*_mirror_lines(plan), *map(_apt_line, found)))
    listing = (NodeFile(path=packages.repository_list, content=content),) if content else ()
    return (*listing, *(file for one in found for file in _key_file(one, packages)))


def repositories(plan: Plan, kind: NodeKind) -> tuple[Repository, ...]:
    """The repositories that nodes of that kind install from."""
    if baked(plan):
        return ()
    return (*_kubernetes_repositories(plan, kind), *_docker_repository(plan, kind))


def fetched_keys(plan: Plan, kind: NodeKind) -> tuple[str, ...]:
    """name=URL of each key that the install step fetches, with #digest where one is pinned.

    dnf fetches a key that nobody pinned by itself, from where the repository's own file says.
    """
    rpm = plan.distribution.family.package_format is RPM
    return tuple(
        f"{repo.name}={repo.key}#{repo.pinned.sha256}" if repo.pinned else f"{repo.name}={repo.key}"
        for repo in repositories(plan, kind)
        if (repo.pinned.sha256 is not None if repo.pinned else not rpm)
    )


def key_path(name: str, packages: PackageFormat) -> PurePosixPath:
    """Where the key of a repository is on a node."""
    return PurePosixPath(packages.key_file.format(name=name))


def _key_file(repository: Repository, packages: PackageFormat) -> Iterator[NodeFile]:
    pinned = repository.pinned
    if pinned is None or pinned.sha256 is not None:
        return
    if pinned.text is None:
        message = f"the key of {repository.name} was not read from {pinned.path}"
        raise LookupError(message)
    yield NodeFile(path=key_path(repository.name, packages), content=pinned.text)


def _kubernetes_repositories(plan: Plan, kind: NodeKind) -> Iterator[Repository]:
    # https://kubernetes.io/blog/2023/08/15/pkgs-k8s-io-introduction/: one repository a minor.
    if plan.spec.install.kubernetes is not KubernetesSource.PACKAGES:
        return
    packages = plan.distribution.family.package_format
    programs = KUBERNETES_PROGRAMS[kind]
    versions = (program_version(plan, p).minor for p in programs)
    for number, minor in enumerate(dict.fromkeys(versions)):
        base = plan.spec.install.kubernetes_repository.rstrip("/")
        url = f"{base}/v{minor}/{packages.name}/"
        yield Repository(
            name=f"kubernetes-{minor}" if number else "kubernetes",
            url=url,
            suite="/",
            key=f"{url}{packages.kubernetes_key}",
            pinned=plan.spec.install.kubernetes_repository_key,
            held=KUBERNETES_HELD,
        )


def _docker_repository(plan: Plan, kind: NodeKind) -> Iterator[Repository]:
    if plan.spec.install.containerd is not ContainerdSource.DOCKER or not runs_containerd(kind):
        return
    distribution = plan.distribution
    rpm = distribution.family.package_format is RPM
    root = plan.spec.install.docker_repository.rstrip("/")
    base = f"{root}/{distribution.family.docker_name}"
    yield Repository(
        name="docker",
        url=f"{base}/{distribution.release}/$basearch/stable" if rpm else base,
        suite="" if rpm else f"{distribution.codename} stable",
        key=f"{base}/gpg",
        pinned=plan.spec.install.docker_repository_key,
        held="containerd.io",
    )


def _apt_line(repository: Repository) -> str:
    key = key_path(repository.name, DEB)
    return f"deb [signed-by={key}] {repository.url} {repository.suite}\n"


def _yum_section(repository: Repository) -> str:
    here = f"file://{key_path(repository.name, RPM)}"
    return (
        f"[{repository.name}]\nname={repository.name}\nbaseurl={repository.url}\n"
        f"gpgcheck=1\ngpgkey={here if repository.pinned else repository.key}\nexclude={repository.held}\n"
    )


def _mirror_lines(plan: Plan) -> Iterator[str]:
    family, suite = plan.distribution.family, plan.distribution.codename
    if plan.spec.os.package_mirror is None or baked(plan):
        return
    mirror = plan.spec.os.package_mirror.rstrip("/")
    key = f"[signed-by=/usr/share/keyrings/{family.name}-archive-keyring.gpg]"
    for url, name in (
        (mirror, suite),
        (mirror, f"{suite}-updates"),
        (mirror + family.security_suffix, f"{suite}-security"),
    ):
        yield f"deb {key} {url} {name} {family.archive_components}\n"
