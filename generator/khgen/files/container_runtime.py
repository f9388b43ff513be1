"""containerd and its companions: registry mirrors, units, and the files of crictl, nerdctl and BuildKit."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from khgen.facts.version import Version
from khgen.files.kubeadm import CRI_SOCKET
from khgen.files.templates import verbatim
from khgen.files.toml_text import TomlValue, dump_toml
from khgen.plan.cluster_plan import NodeFile, NodeKind, Plan
from khgen.plan.installation import runs_containerd
from khgen.spec.model.machine import ContainerdSource, RegistryMirror

CONTAINERD_CONFIG = PurePosixPath("/etc/containerd/config.toml")
CERTS = PurePosixPath("/etc/containerd/certs.d")
CONTAINERD_UNIT = PurePosixPath("/etc/systemd/system/containerd.service")
RUNC: TomlValue = {
    "runtimes": {
        "runc": {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}}
    }
}
CRICTL_CONFIG = PurePosixPath("/etc/crictl.yaml")
NERDCTL_CONFIG = PurePosixPath("/etc/nerdctl/nerdctl.toml")
BUILDKIT_CONFIG = PurePosixPath("/etc/buildkit/buildkitd.toml")
BUILDKIT_UNIT = PurePosixPath("/etc/systemd/system/buildkit.service")


def containerd_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """What containerd reads; load balancers run no containers."""
    if not runs_containerd(kind):
        return ()
    files = [NodeFile(path=CONTAINERD_CONFIG, content=dump_toml(_config(plan)))]
    files += [_hosts_toml(mirror) for mirror in plan.spec.containerd.registry_mirrors]
    if plan.spec.install.containerd is ContainerdSource.TARBALL:
        files.append(NodeFile(path=CONTAINERD_UNIT, content=verbatim("containerd.service")))
    return tuple(files)


def _config(plan: Plan) -> dict[str, TomlValue]:
    # https://github.com/containerd/containerd/blob/main/docs/cri/config.md
    if Version.parse(plan.spec.containerd.version).major == 1:
        return {"version": 2, "plugins": {"io.containerd.grpc.v1.cri": _cri_of_1(plan)}}
    return {"version": 3, "plugins": _cri_of_2(plan)}


def _cri_of_1(plan: Plan) -> dict[str, TomlValue]:
    return {
        "sandbox_image": plan.images.pause,
        **_oom(plan),
        "containerd": RUNC,
        "registry": {"config_path": str(CERTS)},
    }


def _cri_of_2(plan: Plan) -> dict[str, TomlValue]:
    return {
        "io.containerd.cri.v1.images": {
            "pinned_images": {"sandbox": plan.images.pause},
            "registry": {"config_path": str(CERTS)},
        },
        "io.containerd.cri.v1.runtime": {**_oom(plan), "containerd": RUNC},
    }


def _oom(plan: Plan) -> dict[str, TomlValue]:
    restrict = plan.spec.containerd.restrict_oom_score_adj
    return {"restrict_oom_score_adj": True} if restrict else {}


def _hosts_toml(mirror: RegistryMirror) -> NodeFile:
    # containerd tries hosts in the order of the file, then the registry itself (docs/hosts.md).
    hosts: TomlValue = {endpoint: _host(mirror, endpoint) for endpoint in mirror.endpoints}
    return NodeFile(path=CERTS / mirror.registry / "hosts.toml", content=dump_toml({"host": hosts}))


def _host(mirror: RegistryMirror, endpoint: str) -> dict[str, TomlValue]:
    host: dict[str, TomlValue] = {"capabilities": ["pull", "resolve"]}
    if "/v2/" in endpoint:  # otherwise containerd appends another /v2
        host["override_path"] = True
    if mirror.ca_file:
        host["ca"] = mirror.ca_file
    if mirror.skip_verify:
        host["skip_verify"] = True
    return host


def crictl_files(_: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """Its configuration, so that it neither guesses nor warns; images are at the same endpoint."""
    if not runs_containerd(kind):
        return ()
    return (NodeFile(path=CRICTL_CONFIG, content=f"runtime-endpoint: {CRI_SOCKET}\n"),)


def nerdctl_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """Its configuration: it looks at the namespace that the kubelet's containers are in."""
    if not (plan.spec.containerd.nerdctl and runs_containerd(kind)):
        return ()
    return (NodeFile(path=NERDCTL_CONFIG, content=dump_toml({"namespace": "k8s.io"})),)


def buildkit_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """What it builds lands in the kubelet's images; it pulls through the same mirrors."""
    if not (plan.spec.containerd.buildkit and runs_containerd(kind)):
        return ()
    workers: TomlValue = {
        "oci": {"enabled": False},
        "containerd": {"enabled": True, "namespace": "k8s.io"},
    }
    mirrors = plan.spec.containerd.registry_mirrors
    config: dict[str, TomlValue] = {"worker": workers, "registry": _registries(mirrors)}
    return (
        NodeFile(path=BUILDKIT_CONFIG, content=dump_toml(config)),
        NodeFile(path=BUILDKIT_UNIT, content=verbatim("buildkit.service")),
    )


def _registries(mirrors: tuple[RegistryMirror, ...]) -> dict[str, TomlValue]:
    # https://docs.docker.com/build/buildkit/toml-configuration/: there is no `_default` registry.
    registries: dict[str, TomlValue] = {}
    for mirror in mirrors:
        if mirror.registry == "_default":
            continue
        urls = [urlsplit(endpoint) for endpoint in mirror.endpoints]
        # BuildKit itself puts /v2 before the path.
        paths = [f"{url.netloc}{url.path.removeprefix('/v2')}".rstrip("/") for url in urls]
        registries[mirror.registry] = {"mirrors": paths}
        for url in urls:
            access = _access(mirror, url.scheme)
            if access:
                registries[url.netloc] = access
    return registries


def _access(mirror: RegistryMirror, scheme: str) -> dict[str, TomlValue]:
    access: dict[str, TomlValue] = {}
    if scheme == "http":
        access["http"] = True
    if mirror.skip_verify:
        access["insecure"] = True
    if mirror.ca_file:
        access["ca"] = [mirror.ca_file]
    return access
