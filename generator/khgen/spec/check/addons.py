"""Manifests that are applied once the cluster stands: each from one place, pinned."""

from collections.abc import Iterator

from khgen.problems import Finding, Severity, ValuePath, quoted
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import Calico, Manifest

CALICO = ("addons", "calico")
MANIFESTS = ("addons", "manifests")
CALICO_NAME = "calico"


def manifest_sources(spec: ClusterSpec) -> Iterator[Finding]:
    """Manifests from two places or from none, and downloads that nobody vouches for."""
    if spec.addons.calico is not None:
        yield from _source(CALICO, spec.addons.calico)
    for index, manifest in enumerate(spec.addons.manifests):
        yield from _source((*MANIFESTS, index), manifest)


def _source(path: ValuePath, manifest: Calico | Manifest) -> Iterator[Finding]:
    if manifest.url is not None and manifest.path is not None:
        message = "both url and path are given"
        yield Finding(path=(*path, "path"), message=message, hint="keep one", at_key=True)
    elif manifest.url is None and manifest.path is None:
        message = "neither url nor path is given"
        hint = "give url and sha256, or the path of a file beside cluster.yaml"
        yield Finding(path=path, message=message, hint=hint, at_key=True)
    elif manifest.url is not None and manifest.sha256 is None:
        message = "url is given without sha256"
        hint = "give the digest too: every founder checks the file against it"
        yield Finding(path=(*path, "url"), message=message, hint=hint, at_key=True)
    elif manifest.path is not None and manifest.sha256 is not None:
        message = "sha256 belongs to url, not to path"
        hint = "leave it out: the file travels inside the user-data"
        yield Finding(path=(*path, "sha256"), message=message, hint=hint, at_key=True)


def duplicate_manifests(spec: ClusterSpec) -> Iterator[Finding]:
    """Two manifests with one name: they would be one file on the node."""
    seen = {CALICO_NAME} if spec.addons.calico is not None else set()
    for index, manifest in enumerate(spec.addons.manifests):
        if manifest.name in seen:
            message = f"manifest name {quoted(manifest.name)} is already taken"
            path = (*MANIFESTS, index, "name")
            yield Finding(path=path, message=message, hint="rename one of them")
        seen.add(manifest.name)


def typha_settings(spec: ClusterSpec) -> Iterator[Finding]:
    """Replicas of a Typha that is not there."""
    calico = spec.addons.calico
    if calico is not None and not calico.typha and "typha_replicas" in calico.model_fields_set:
        message = "typhaReplicas is given, but typha is not true"
        hint = "set typha: true and use calico-typha.yaml"
        yield Finding(path=(*CALICO, "typhaReplicas"), message=message, hint=hint, at_key=True)


def no_pod_network(spec: ClusterSpec) -> Iterator[Finding]:
    """Nothing that pods could talk through."""
    if spec.addons.calico is None and not spec.addons.manifests:
        message = "no pod network is given: nodes stay NotReady until one is applied"
        hint = "give addons.calico or addons.manifests, or apply one yourself with kubectl"
        yield Finding(
            path=("addons",), message=message, hint=hint, severity=Severity.WARNING, at_key=True
        )


CHECKS = (
    Check(find=no_pod_network, reads=(("addons",),)),
    Check(find=manifest_sources, reads=(("addons",),)),
    Check(find=duplicate_manifests, reads=(("addons",),)),
    Check(find=typha_settings, reads=(CALICO,)),
)
