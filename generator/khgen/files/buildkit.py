"""BuildKit, where the spec asks for it: buildkitd's configuration and unit."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from khgen.files.templates import verbatim
from khgen.files.toml_text import TomlValue, dump_toml
from khgen.plan.installation import runs_containerd
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.spec.model.machine import RegistryMirror

CONFIG = PurePosixPath("/etc/buildkit/buildkitd.toml")
UNIT = PurePosixPath("/etc/systemd/system/buildkit.service")


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
        NodeFile(path=CONFIG, content=dump_toml(config)),
        NodeFile(path=UNIT, content=verbatim("buildkit.service")),
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
