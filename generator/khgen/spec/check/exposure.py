"""What travels where others can read or replace it: downloads, images, user-data with CA keys."""

from collections.abc import Iterator

from khgen.problems import Finding, Severity, ValuePath
from khgen.spec.check.rule import Check
from khgen.spec.check.weak_settings import plain
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import CaKeys, Datasource

LINK_LOCAL = frozenset(
    {Datasource.EC2, Datasource.HETZNER, Datasource.OPENSTACK, Datasource.AZURE, Datasource.GCE}
)
"""Where user-data is served at 169.254.169.254, for as long as the machine lives."""
METADATA_SERVICES = LINK_LOCAL | {Datasource.CLOUDSTACK}
"""CloudStack's is the virtual router (cloud-init, DataSourceCloudStack)."""


def unverified_registries(spec: ClusterSpec) -> Iterator[Finding]:
    """Mirrors whose certificate nobody looks at."""
    for index, mirror in enumerate(spec.containerd.registry_mirrors):
        if mirror.skip_verify:
            message = "skipVerify lets anybody between node and mirror replace images"
            path = ("containerd", "registryMirrors", index, "skipVerify")
            yield _warning(path, message, "give the mirror's CA as caFile")


def plain_http(spec: ClusterSpec) -> Iterator[Finding]:
    """Repositories and downloads without TLS."""
    for path, url in _urls(spec):
        if plain(url):
            message = "plain http: anybody on the way can see, hold back or change what is fetched"
            yield _warning(path, message, "use https")


def exposed_ca_keys(spec: ClusterSpec) -> Iterator[Finding]:
    """CA keys in user-data that a metadata service hands to whoever asks, pods among them."""
    source = spec.user_data.datasource
    closed = spec.os.block_metadata and source in LINK_LOCAL
    if spec.pki.ca_keys is CaKeys.OFFLINE or source not in METADATA_SERVICES or closed:
        return
    message = (
        f"CA keys travel through the metadata service of {source}, which pods can reach: whoever"
        " reads it there owns the cluster"
    )
    hint = "set os.blockMetadata: true, or pki.caKeys: offline"
    if source not in LINK_LOCAL:
        hint = "set pki.caKeys: offline, or close the virtual router's port 80 to pods"
    yield _warning(("userData", "datasource"), message, hint)


def _urls(spec: ClusterSpec) -> Iterator[tuple[ValuePath, str]]:
    """Every URL that a node or the bake fetches from."""
    install, addons = spec.install, spec.addons
    found: list[tuple[ValuePath, str | None]] = [
        (("os", "packageMirror"), spec.os.package_mirror),
        (("install", "kubernetesRepository"), install.kubernetes_repository),
        (("install", "dockerRepository"), install.docker_repository),
    ]
    if addons.calico is not None:
        found.append((("addons", "calico", "url"), addons.calico.url))
    if spec.image is not None and spec.image.base is not None:
        found.append((("image", "base", "url"), spec.image.base.url))
    for name, field in type(install.artifacts).model_fields.items():
        artifact = getattr(install.artifacts, name)
        path = ("install", "artifacts", field.alias or name, "url")
        found.append((path, artifact and artifact.url))
    for index, manifest in enumerate(addons.manifests):
        found.append((("addons", "manifests", index, "url"), manifest.url))
    for index, mirror in enumerate(spec.containerd.registry_mirrors):
        for number, url in enumerate(mirror.endpoints):
            found.append((("containerd", "registryMirrors", index, "endpoints", number), url))
    return ((path, url) for path, url in found if url is not None)


def _warning(path: ValuePath, message: str, hint: str) -> Finding:
    return Finding(path=path, message=message, hint=hint, severity=Severity.WARNING)


CHECKS = (
    Check(find=unverified_registries),
    Check(find=plain_http),
    Check(find=exposed_ca_keys, reads=(("userData",), ("pki", "caKeys"), ("os", "blockMetadata"))),
)
