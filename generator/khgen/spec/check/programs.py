"""Where programs come from: what is downloaded needs a URL and a digest."""

from collections.abc import Iterator

from khgen.problems import Finding, Severity, quoted
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import ContainerdSource, KubernetesSource

INSTALL = ("install",)
ARTIFACTS = ("install", "artifacts")
NAMES = (
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
"""Each artifact as the model and as the file names it."""
EXTRAS = ("nerdctl", "buildkit")
"""Artifacts that a setting of the same name in `containerd` asks for."""


def wanted_artifacts(spec: ClusterSpec) -> dict[str, str]:
    """The artifacts that are downloaded, each with the setting that asks for it."""
    wanted: dict[str, str] = {}
    if spec.install.containerd is ContainerdSource.TARBALL:
        wanted |= dict.fromkeys(("containerd", "runc", "cniPlugins"), "install.containerd: tarball")
    if spec.install.containerd is not ContainerdSource.IMAGE:
        # No package repository of the other sources has them.
        asked = (alias for alias in EXTRAS if getattr(spec.containerd, alias))
        wanted |= {alias: f"containerd.{alias}" for alias in asked}
    if spec.install.kubernetes is KubernetesSource.BINARIES:
        # The plugins would come with the package kubernetes-cni.
        binaries = ("cniPlugins", "crictl", "kubeadm", "kubelet", "kubectl")
        wanted = dict.fromkeys(binaries, "install.kubernetes: binaries") | wanted
    return wanted


def missing_artifacts(spec: ClusterSpec) -> Iterator[Finding]:
    """Downloads without a URL and a digest."""
    given = {alias for name, alias in NAMES if getattr(spec.install.artifacts, name) is not None}
    for alias, reason in wanted_artifacts(spec).items():
        if alias not in given:
            message = f"install.artifacts.{alias} is missing: {reason} needs it"
            asked = ("containerd", alias) if alias in EXTRAS else (*ARTIFACTS, alias)
            hint = "give its url and sha256"
            yield Finding(path=asked, message=message, hint=hint, at_key=True)


def unused_artifacts(spec: ClusterSpec) -> Iterator[Finding]:
    """Downloads that nothing asks for."""
    wanted = wanted_artifacts(spec)
    for name, alias in NAMES:
        if getattr(spec.install.artifacts, name) is not None and alias not in wanted:
            message = f"artifact {quoted(alias)} is not used by this kind of installation"
            yield Finding(
                path=(*ARTIFACTS, alias),
                message=message,
                hint="see install.kubernetes and install.containerd",
                severity=Severity.WARNING,
                at_key=True,
            )


def duplicate_registries(spec: ClusterSpec) -> Iterator[Finding]:
    """Two mirror entries for one registry: containerd has one file for each."""
    seen = set()
    for index, mirror in enumerate(spec.containerd.registry_mirrors):
        if mirror.registry in seen:
            message = f"registry {quoted(mirror.registry)} is mirrored twice"
            path = ("containerd", "registryMirrors", index, "registry")
            yield Finding(path=path, message=message, hint="put all endpoints into one entry")
        seen.add(mirror.registry)


CHECKS = (
    Check(find=missing_artifacts, reads=(INSTALL, ("containerd",))),
    Check(find=unused_artifacts, reads=(INSTALL, ("containerd",))),
    Check(find=duplicate_registries, reads=(("containerd", "registryMirrors"),)),
)
