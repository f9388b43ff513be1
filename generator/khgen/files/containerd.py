"""containerd: config.toml, registry mirrors, and the unit where it comes as a tarball."""

from pathlib import PurePosixPath

from khgen.facts.version import Version
from khgen.files.templates import verbatim
from khgen.files.toml_text import TomlValue, dump_toml
from khgen.plan.installation import runs_containerd
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.spec.model.machine import ContainerdSource, RegistryMirror

CONFIG = PurePosixPath("/etc/containerd/config.toml")
CERTS = PurePosixPath("/etc/containerd/certs.d")
UNIT = PurePosixPath("/etc/systemd/system/containerd.service")
RUNC: TomlValue = {
    "runtimes": {
        "runc": {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}}
    }
}


def containerd_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """What containerd reads; load balancers run no containers."""
    if not runs_containerd(kind):
        return ()
    files = [NodeFile(path=CONFIG, content=dump_toml(_config(plan)))]
    files += [_hosts_toml(mirror) for mirror in plan.spec.containerd.registry_mirrors]
    if plan.spec.install.containerd is ContainerdSource.TARBALL:
        files.append(NodeFile(path=UNIT, content=verbatim("containerd.service")))
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
