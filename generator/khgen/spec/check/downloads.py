"""Downloads: programs, signing keys, manifests, registry mirrors and their URLs."""

from collections.abc import Iterator

from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check import Check
from khgen.spec.check.weakening import plain
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import Calico, Manifest
from khgen.spec.model.machine import ContainerdSource, KubernetesSource, RepositoryKey

INSTALL = ("install",)
ARTIFACTS = ("install", "artifacts")
ARTIFACTS_BY_NAME = (
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("cni_plugins", "cniPlugins"),
    ("nerdctl", "nerdctl"),
    ("buildkit", "buildkit"),
    ("crictl", "crictl"),
    ("kubeadm", "kubeadm"),
    ("kubelet", "kubelet"),
    ("kubectl", "kubectl"),
)
"""The name of each artifact in the model and in the file."""
EXTRAS = ("nerdctl", "buildkit")
"""Artifacts that a setting of the same name in `containerd` needs."""


KEYS = (
    ("kubernetes", "kubernetesRepositoryKey", "kubernetes_repository_key"),
    ("docker", "dockerRepositoryKey", "docker_repository_key"),
)
"""Each repository, with the name of its key in the file and in the model."""
CALICO = ("addons", "calico")
MANIFESTS = ("addons", "manifests")
CALICO_NAME = "calico"


def wanted_artifacts(spec: ClusterSpec) -> dict[str, str]:
    """The artifacts that are downloaded, each with the setting that needs it."""
    wanted: dict[str, str] = {}
    if spec.install.containerd is ContainerdSource.TARBALL:
        wanted |= dict.fromkeys(("containerd", "runc", "cniPlugins"), "install.containerd: tarball")
    if spec.install.containerd is not ContainerdSource.IMAGE:
        # No package repository has them.
        asked = (alias for alias in EXTRAS if getattr(spec.containerd, alias))
        wanted |= {alias: f"containerd.{alias}" for alias in asked}
    if spec.install.kubernetes is KubernetesSource.BINARIES:
        # The package kubernetes-cni would bring the plugins.
        binaries = ("cniPlugins", "crictl", "kubeadm", "kubelet", "kubectl")
        wanted = dict.fromkeys(binaries, "install.kubernetes: binaries") | wanted
    return wanted


def missing_artifacts(spec: ClusterSpec) -> Iterator[Finding]:
    """Downloads without a URL and a digest."""
    given = {
        alias
        for name, alias in ARTIFACTS_BY_NAME
        if getattr(spec.install.artifacts, name) is not None
    }
    for alias, reason in wanted_artifacts(spec).items():
        if alias not in given:
            message = f"install.artifacts.{alias} is missing: {reason} needs it"
            asked = ("containerd", alias) if alias in EXTRAS else (*ARTIFACTS, alias)
            hint = "give its url and sha256"
            yield Finding(path=asked, message=message, hint=hint, at_key=True)


def unused_artifacts(spec: ClusterSpec) -> Iterator[Finding]:
    """Downloads that nothing needs."""
    wanted = wanted_artifacts(spec)
    for name, alias in ARTIFACTS_BY_NAME:
        if getattr(spec.install.artifacts, name) is not None and alias not in wanted:
            yield _unused((*ARTIFACTS, alias), f"artifact {quoted(alias)}")


def _unused(path: ValuePath, what: str) -> Finding:
    return Finding(
        path=path,
        message=f"{what} is not used by this installation",
        hint="remove it, or change install.kubernetes or install.containerd",
        severity=Severity.WARNING,
        at_key=True,
    )


def duplicate_registries(spec: ClusterSpec) -> Iterator[Finding]:
    """Two entries for one registry: containerd has one file for each registry."""
    seen = set()
    for index, mirror in enumerate(spec.containerd.registry_mirrors):
        if mirror.registry in seen:
            message = f"registry {quoted(mirror.registry)} is mirrored twice"
            path = ("containerd", "registryMirrors", index, "registry")
            yield Finding(path=path, message=message, hint="put all endpoints in one entry")
        seen.add(mirror.registry)


def used_repositories(spec: ClusterSpec) -> tuple[str, ...]:
    """The repositories that nodes or the bake install from, without the distribution's."""
    kubernetes = spec.install.kubernetes is KubernetesSource.PACKAGES
    docker = spec.install.containerd is ContainerdSource.DOCKER
    return ("kubernetes",) * kubernetes + ("docker",) * docker


def key_sources(spec: ClusterSpec) -> Iterator[Finding]:
    """Keys that are given twice or not at all, and keys of unused repositories."""
    used = used_repositories(spec)
    for repository, alias, name in KEYS:
        key: RepositoryKey | None = getattr(spec.install, name)
        if key is None:
            continue
        if len([part for part in (key.sha256, key.path, key.text) if part is not None]) != 1:
            message = f"{alias} needs exactly one of sha256, path and text"
            hint = "give the digest, or the key itself"
            yield Finding(path=(*INSTALL, alias), message=message, hint=hint, at_key=True)
        if repository not in used:
            yield _unused((*INSTALL, alias), alias)


def first_use(spec: ClusterSpec) -> Iterator[Finding]:
    """One finding about repositories whose key is trusted on first use.

    It is no check: it has no value in the file, and would appear above every error.
    """
    given = {repository for repository, _, name in KEYS if getattr(spec.install, name) is not None}
    trusted = [name for name in used_repositories(spec) if name not in given]
    if not trusted:
        return
    keys, are = ("keys", "are") if len(trusted) > 1 else ("key", "is")
    aliases = [f"install.{alias}" for name, alias, _ in KEYS if name in trusted]
    message = (
        f"the signing {keys} of the repositor{'ies' if len(trusted) > 1 else 'y'}"
        f" {' and '.join(trusted)} {are} trusted on first use"
    )
    hint = f"verify the key once, then set {' and '.join(aliases)} with sha256 or path"
    yield Finding(path=INSTALL, message=message, hint=hint, severity=Severity.WARNING, at_key=True)


def manifest_sources(spec: ClusterSpec) -> Iterator[Finding]:
    """Manifests with two sources or none, and downloads without a digest."""
    if spec.addons.calico is not None:
        yield from _source(CALICO, spec.addons.calico)
    for index, manifest in enumerate(spec.addons.manifests):
        yield from _source((*MANIFESTS, index), manifest)


def _source(path: ValuePath, manifest: Calico | Manifest) -> Iterator[Finding]:
    if manifest.url is not None and manifest.path is not None:
        message = "both url and path are given"
        yield Finding(
            path=(*path, "path"), message=message, hint="keep one of the two", at_key=True
        )
    elif manifest.url is None and manifest.path is None:
        message = "neither url nor path is given"
        hint = "give url and sha256, or the path of a file beside cluster.yaml"
        yield Finding(path=path, message=message, hint=hint, at_key=True)
    elif manifest.url is not None and manifest.sha256 is None:
        message = "url is given without sha256"
        hint = "give the digest too: every control plane verifies the download"
        yield Finding(path=(*path, "url"), message=message, hint=hint, at_key=True)
    elif manifest.path is not None and manifest.sha256 is not None:
        message = "sha256 belongs to url, not to path"
        hint = "remove it: the file becomes part of the user-data"
        yield Finding(path=(*path, "sha256"), message=message, hint=hint, at_key=True)


def duplicate_manifests(spec: ClusterSpec) -> Iterator[Finding]:
    """Two manifests with the same name: they would be one file on the node."""
    seen = {CALICO_NAME} if spec.addons.calico is not None else set()
    for index, manifest in enumerate(spec.addons.manifests):
        if manifest.name in seen:
            message = f"manifest name {quoted(manifest.name)} is already taken"
            path = (*MANIFESTS, index, "name")
            yield Finding(path=path, message=message, hint="rename one of them")
        seen.add(manifest.name)


def typha_settings(spec: ClusterSpec) -> Iterator[Finding]:
    """Replicas of Typha without Typha."""
    calico = spec.addons.calico
    if calico is not None and not calico.typha and "typha_replicas" in calico.model_fields_set:
        message = "typhaReplicas is given, but typha is not true"
        hint = "set typha: true and use calico-typha.yaml"
        yield Finding(path=(*CALICO, "typhaReplicas"), message=message, hint=hint, at_key=True)


def no_pod_network(spec: ClusterSpec) -> Iterator[Finding]:
    """No pod network."""
    if spec.addons.calico is None and not spec.addons.manifests:
        message = "no pod network is given: nodes stay NotReady until one is applied"
        hint = "give addons.calico or addons.manifests, or apply one later with kubectl"
        yield Finding(
            path=("addons",), message=message, hint=hint, severity=Severity.WARNING, at_key=True
        )


def unverified_registries(spec: ClusterSpec) -> Iterator[Finding]:
    """Mirrors whose certificates are not verified."""
    for index, mirror in enumerate(spec.containerd.registry_mirrors):
        if mirror.skip_verify:
            message = "skipVerify lets anyone between node and mirror replace images"
            path = ("containerd", "registryMirrors", index, "skipVerify")
            yield _warning(path, message, "give the mirror's CA as caFile")


def plain_http(spec: ClusterSpec) -> Iterator[Finding]:
    """Repositories and downloads without TLS."""
    for path, url in _urls(spec):
        if plain(url):
            message = "plain http: anyone on the way can read, block or change the download"
            yield _warning(path, message, "use https")


def _urls(spec: ClusterSpec) -> Iterator[tuple[ValuePath, str]]:
    """Every URL from which a node or the bake downloads."""
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
    Check(find=missing_artifacts, reads=(INSTALL, ("containerd",))),
    Check(find=unused_artifacts, reads=(INSTALL, ("containerd",))),
    Check(find=duplicate_registries, reads=(("containerd", "registryMirrors"),)),
    Check(find=key_sources, reads=(INSTALL,)),
    Check(find=no_pod_network, reads=(("addons",),)),
    Check(find=manifest_sources, reads=(("addons",),)),
    Check(find=duplicate_manifests, reads=(("addons",),)),
    Check(find=typha_settings, reads=(CALICO,)),
    Check(find=unverified_registries),
    Check(find=plain_http),
)
