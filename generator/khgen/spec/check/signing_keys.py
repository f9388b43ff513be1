"""Keys of package repositories: each from one place, and none taken on trust in silence."""

from collections.abc import Iterator

from khgen.problems import Finding, Severity
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import ContainerdSource, KubernetesSource, RepositoryKey

INSTALL = ("install",)
KEYS = (
    ("kubernetes", "kubernetesRepositoryKey", "kubernetes_repository_key"),
    ("docker", "dockerRepositoryKey", "docker_repository_key"),
)
"""Each repository, and its key as the file and as the model name it."""


def used_repositories(spec: ClusterSpec) -> tuple[str, ...]:
    """The repositories besides the distribution's that nodes, or the bake, install from."""
    kubernetes = spec.install.kubernetes is KubernetesSource.PACKAGES
    docker = spec.install.containerd is ContainerdSource.DOCKER
    return ("kubernetes",) * kubernetes + ("docker",) * docker


def key_sources(spec: ClusterSpec) -> Iterator[Finding]:
    """Keys from two places or from none, and keys of repositories that nothing comes from."""
    used = used_repositories(spec)
    for repository, alias, name in KEYS:
        key: RepositoryKey | None = getattr(spec.install, name)
        if key is None:
            continue
        if len([part for part in (key.sha256, key.path, key.text) if part is not None]) != 1:
            message = f"{alias} wants one of sha256, path and text"
            hint = "give the digest, or the key itself"
            yield Finding(path=(*INSTALL, alias), message=message, hint=hint, at_key=True)
        if repository not in used:
            message = f"{alias} is not used by this kind of installation"
            yield Finding(
                path=(*INSTALL, alias),
                message=message,
                hint="see install.kubernetes and install.containerd",
                severity=Severity.WARNING,
                at_key=True,
            )


CHECKS = (Check(find=key_sources, reads=(INSTALL,)),)


def first_use(spec: ClusterSpec) -> Iterator[Finding]:
    """Repositories whose key is whatever they offer when a machine first asks: one finding.

    Not one of the checks: it is about no value in the file, and would stand above every mistake.
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
    hint = f"compare once, and pin: {' and '.join(aliases)} with sha256 or path"
    yield Finding(path=INSTALL, message=message, hint=hint, severity=Severity.WARNING, at_key=True)
