"""containerd and its companions: registry mirrors, units, and the files of crictl, nerdctl and BuildKit."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from khgen.facts.version import Version
from khgen.files.kubeadm import CRI_SOCKET
from khgen.plan.cluster_plan import NodeFile, NodeKind, Plan
from khgen.plan.installation import runs_containerd
from khgen.resources import verbatim
from khgen.spec.model.machine import ContainerdSource, RegistryMirror

TomlValue = str | int | bool | Sequence[str] | Mapping[str, "TomlValue"]

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
    """containerd's configuration; load balancers run no containers and have none."""
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
    """crictl's configuration: without it crictl guesses the endpoint and prints a warning."""
    if not runs_containerd(kind):
        return ()
    return (NodeFile(path=CRICTL_CONFIG, content=f"runtime-endpoint: {CRI_SOCKET}\n"),)


def nerdctl_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """nerdctl's configuration: it uses the namespace of the kubelet's containers."""
    if not (plan.spec.containerd.nerdctl and runs_containerd(kind)):
        return ()
    return (NodeFile(path=NERDCTL_CONFIG, content=dump_toml({"namespace": "k8s.io"})),)


def buildkit_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """BuildKit's configuration: its images are the kubelet's, and it pulls through the same mirrors."""
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


def dump_toml(table: Mapping[str, TomlValue]) -> str:
    """The table as TOML: each table under its own header, in the order given.

    A table that holds only tables needs no header. A table that holds one value and nothing else is a
    dotted key of a table that has a header anyway.
    """
    return "\n".join(_lines(table, ())) + "\n"


def _lines(table: Mapping[str, TomlValue], path: tuple[str, ...]) -> Iterator[str]:
    values = [key for key, value in table.items() if not isinstance(value, Mapping)]
    if path and (values or not table):
        yield f"[{'.'.join(map(_key, path))}]"
    dotted = [key for key, value in table.items() if values and _is_single(value)]
    for key in (*values, *dotted):
        yield from _assignment(_key(key), table[key])
    for key, inner in table.items():
        if isinstance(inner, Mapping) and key not in dotted:
            yield from _lines(inner, (*path, key))


def _is_single(value: TomlValue) -> bool:
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    return not any(isinstance(inner, Mapping) for inner in value.values())


def _assignment(key: str, value: TomlValue) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield f"{key}.{_key(name)} = {_scalar(inner)}"
    else:
        yield f"{key} = {_scalar(value)}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _scalar(name)


def _scalar(value: TomlValue) -> str:
    # JSON and TOML write strings, numbers, booleans and lists of strings alike, except DEL (TOML 1.0).
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
