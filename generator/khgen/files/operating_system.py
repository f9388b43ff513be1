"""The operating system: clock, kernel, /etc/hosts, the metadata service, and packages.

/etc/hosts has every name that a node needs, so that none of them depends on DNS.
A rule closes the cloud's metadata service to pods at each boot, before the kubelet starts.
The install steps read the package repositories, mirrors, downloads, and the values in node.env.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from khgen.facts.distributions import DEB, RPM, PackageFormat
from khgen.plan.cluster_plan import (
    CONTROL_PLANE_KINDS,
    ETCD_KINDS,
    NodeFile,
    NodeKind,
    NodePlan,
    Plan,
)
from khgen.plan.installation import (
    KUBERNETES_PROGRAMS,
    Package,
    Program,
    baked,
    downloads,
    image_programs,
    packages,
    program_version,
    runs_containerd,
)
from khgen.plan.kernel import kernel_modules, kernel_settings
from khgen.plan.steps import closes_metadata, sets_time_sources
from khgen.resources import filled, verbatim
from khgen.spec.model.machine import (
    ContainerdSource,
    KubernetesSource,
    RepositoryKey,
    TimeProgram,
)

TIMESYNCD_CONF = PurePosixPath("/etc/systemd/timesyncd.conf.d/khgen.conf")
MODULES = PurePosixPath("/etc/modules-load.d/khgen.conf")
# Files apply in the order of their names: this one comes after Debian's 99-sysctl.conf.
SETTINGS = PurePosixPath("/etc/sysctl.d/99-zz-khgen.conf")
HOSTS = PurePosixPath("/etc/hosts")
LOCALHOST = ("127.0.0.1 localhost\n", "::1 localhost\n")
METADATA_PROGRAM = PurePosixPath("/usr/local/sbin/khgen-metadata")
METADATA_UNIT = PurePosixPath("/etc/systemd/system/khgen-metadata.service")


def time_sync_files(plan: Plan, _: NodeKind) -> tuple[NodeFile, ...]:
    """The program's configuration; none where the distribution's own sources are used.

    khgen replaces all of chrony.conf: a drop-in would only add to the distribution's pool.
    """
    sync = plan.spec.os.time_sync
    if not (sync.pools or sync.servers):
        return ()
    if sync.program is TimeProgram.CHRONY:
        content = filled("chrony.conf.j2", pools=sync.pools, servers=sync.servers)
        return (NodeFile(path=plan.distribution.family.chrony_conf, content=content),)
    if sync.program is TimeProgram.TIMESYNCD:
        content = f"[Time]\nNTP={' '.join((*sync.servers, *sync.pools))}\nFallbackNTP=\n"
        return (NodeFile(path=TIMESYNCD_CONF, content=content),)
    return ()


def kernel_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The lists of kernel modules and of kernel settings, without empty ones."""
    modules = "".join(f"{module}\n" for module in kernel_modules(plan, kind))
    settings = "".join(f"{key}={value}\n" for key, value in kernel_settings(plan, kind).items())
    files = (NodeFile(path=MODULES, content=modules), NodeFile(path=SETTINGS, content=settings))
    return tuple(file for file in files if file.content)


def hosts_files(plan: Plan, node: NodePlan) -> tuple[NodeFile, ...]:
    """/etc/hosts of one node: itself, and on control planes and etcd hosts also each other.

    A worker reaches everything by address; so adding any node changes no worker.
    """
    known = [line for other in (node, *_partners(plan, node)) for line in _host_lines(other)]
    aliases = (f"{alias.address} {' '.join(alias.names)}\n" for alias in plan.spec.os.hosts)
    content = "".join((*LOCALHOST, *dict.fromkeys(known), *aliases))
    return (NodeFile(path=HOSTS, content=content),)


def _partners(plan: Plan, node: NodePlan) -> tuple[NodePlan, ...]:
    if node.kind not in CONTROL_PLANE_KINDS | ETCD_KINDS:
        return ()
    return (*plan.control_planes, *(() if plan.stacked else plan.etcd_members))


def _host_lines(node: NodePlan) -> Iterator[str]:
    return (f"{address} {node.name}\n" for address in node.addresses)


def metadata_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The rule and the unit that sets it, if the spec enables it."""
    if not closes_metadata(plan, kind):
        return ()
    return (
        NodeFile(path=METADATA_PROGRAM, content=verbatim("khgen-metadata"), mode=0o755),
        NodeFile(path=METADATA_UNIT, content=verbatim("khgen-metadata.service")),
    )


KUBERNETES_HELD = "kubelet kubeadm kubectl cri-tools kubernetes-cni"
DOWNLOAD_LIST = PurePosixPath("/etc/khgen/downloads")
Wanted = TypeVar("Wanted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A further package repository: URL, signing key, and the packages that it must not upgrade."""

    name: str
    url: str
    suite: str
    """What follows the URL in a line of sources.list."""
    key: str
    pinned: RepositoryKey | None
    """The expected key; without it, khgen trusts the key at the URL."""
    held: str


def apt_url(url: str) -> str:
    """The URL as sources.list has it: apt decodes %xx there (strutl.cc, ParseQuoteWord)."""
    return url.replace("%", "%25")


def yum_url(url: str) -> str:
    """The URL as a .repo file has it: a comma would end it there (dnf.conf(5), lists)."""
    return url.replace(",", "%2C")


def package_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The list of repositories and the keys that the user-data carries; none if an image has all."""
    found = repositories(plan, kind)
    manager = plan.distribution.family.package_format
    if manager is RPM:
        content = "\n".join(map(_yum_section, found))
    else:
        content = "".join((*_mirror_lines(plan), *map(_apt_line, found)))
    listing = (NodeFile(path=manager.repository_list, content=content),) if content else ()
    return (*listing, *(file for one in found for file in _key_file(one, manager)))


def repositories(plan: Plan, kind: NodeKind) -> tuple[Repository, ...]:
    """The repositories that nodes of that kind install from."""
    if baked(plan):
        return ()
    return (*_kubernetes_repositories(plan, kind), *_docker_repository(plan, kind))


def fetched_keys(plan: Plan, kind: NodeKind) -> tuple[str, ...]:
    """name=URL of each key that the install step fetches, with #digest if it is pinned.

    dnf fetches a key that nobody pinned by itself, from where the repository's own file says.
    """
    rpm = _is_rpm(plan)
    return tuple(
        f"{repo.name}={repo.key}#{repo.pinned.sha256}" if repo.pinned else f"{repo.name}={repo.key}"
        for repo in repositories(plan, kind)
        if (repo.pinned.sha256 is not None if repo.pinned else not rpm)
    )


def key_path(name: str, manager: PackageFormat) -> PurePosixPath:
    """The path of a repository's key on a node."""
    return PurePosixPath(manager.key_file.format(name=name))


def _key_file(repository: Repository, manager: PackageFormat) -> Iterator[NodeFile]:
    pinned = repository.pinned
    if pinned is None or pinned.sha256 is not None:
        return
    if pinned.text is None:
        message = f"the key of {repository.name} was not read from {pinned.path}"
        raise LookupError(message)
    yield NodeFile(path=key_path(repository.name, manager), content=pinned.text)


def _kubernetes_repositories(plan: Plan, kind: NodeKind) -> Iterator[Repository]:
    # https://kubernetes.io/blog/2023/08/15/pkgs-k8s-io-introduction/: one repository a minor.
    if plan.spec.install.kubernetes is not KubernetesSource.PACKAGES:
        return
    manager = plan.distribution.family.package_format
    programs = KUBERNETES_PROGRAMS[kind]
    versions = (program_version(plan, p).minor for p in programs)
    for number, minor in enumerate(dict.fromkeys(versions)):
        base = plan.spec.install.kubernetes_repository.rstrip("/")
        url = f"{base}/v{minor}/{manager.name}/"
        yield Repository(
            name=f"kubernetes-{minor}" if number else "kubernetes",
            url=url,
            suite="/",
            key=f"{url}{manager.kubernetes_key}",
            pinned=plan.spec.install.kubernetes_repository_key,
            held=KUBERNETES_HELD,
        )


def _docker_repository(plan: Plan, kind: NodeKind) -> Iterator[Repository]:
    if plan.spec.install.containerd is not ContainerdSource.DOCKER or not runs_containerd(kind):
        return
    distribution = plan.distribution
    rpm = _is_rpm(plan)
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
    return f"deb [signed-by={key}] {apt_url(repository.url)} {repository.suite}\n"


def _yum_section(repository: Repository) -> str:
    here = f"file://{key_path(repository.name, RPM)}"
    return (
        f"[{repository.name}]\nname={repository.name}\nbaseurl={yum_url(repository.url)}\n"
        f"gpgcheck=1\ngpgkey={here if repository.pinned else yum_url(repository.key)}\nexclude={repository.held}\n"
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
        yield f"deb {key} {apt_url(url)} {name} {family.archive_components}\n"


def download_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The list of downloads, for nodes that download something."""
    lines = [f"{item.sha256} {item.target} {item.url}\n" for item in downloads(plan, kind)]
    return (NodeFile(path=DOWNLOAD_LIST, content="".join(lines)),) if lines else ()


def install_environment(plan: Plan, *kinds: NodeKind) -> dict[str, str]:
    """Each key that a step of nodes of these kinds reads; no key is empty."""
    repos = _of_all(repositories, plan, kinds)
    values = {
        "TIME_UNIT": _time_unit(plan, kinds),
        "PACKAGES": " ".join(_pinned(plan, p) for p in _of_all(packages, plan, kinds)),
        "REPOSITORY_KEYS": " ".join(_of_all(fetched_keys, plan, kinds)),
        "PACKAGE_REPOS": _package_repos(plan, repos),
        "PACKAGE_MIRROR": _rpm_mirror(plan),
        "PROGRAMS": " ".join(map(_program, _of_all(image_programs, plan, kinds))),
    }
    return {key: value for key, value in values.items() if value}


def _of_all(
    wanted: Callable[[Plan, NodeKind], Iterable[Wanted]], plan: Plan, kinds: Iterable[NodeKind]
) -> tuple[Wanted, ...]:
    """What any of the kinds needs, without repetition."""
    return tuple(dict.fromkeys(one for kind in kinds for one in wanted(plan, kind)))


def _is_rpm(plan: Plan) -> bool:
    return plan.distribution.family.package_format is RPM


def _time_unit(plan: Plan, kinds: Iterable[NodeKind]) -> str:
    if not any(sets_time_sources(plan, kind) for kind in kinds):
        return ""
    return {
        TimeProgram.CHRONY: plan.distribution.family.chrony_unit,
        TimeProgram.TIMESYNCD: "systemd-timesyncd",
        TimeProgram.UNMANAGED: "",
    }[plan.spec.os.time_sync.program]


def _pinned(plan: Plan, package: Package) -> str:
    if package.version is None:
        return package.name
    return f"{package.name}{plan.distribution.family.package_format.pin}{package.version}"


def _package_repos(plan: Plan, repos: Iterable[Repository]) -> str:
    return ",".join(repo.name for repo in repos) if _is_rpm(plan) else ""


def _rpm_mirror(plan: Plan) -> str:
    if not _is_rpm(plan) or baked(plan):
        return ""
    return yum_url((plan.spec.os.package_mirror or "").rstrip("/"))


def _program(program: Program) -> str:
    return f"{program.name}={program.version}" if program.version else program.name
