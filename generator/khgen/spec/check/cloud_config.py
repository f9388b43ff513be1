"""Further cloud-config keys: none may replace what khgen writes itself."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from khgen.problems import Finding, quoted
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec

EXTRA = ("userData", "extra")
OWN_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "write_files": "put the file into the image, or write it in runcmd",
        "preserve_hostname": "the node's name is its host name",
        "manage_etc_hosts": "use os.hosts",
        "hostname": "the node's name is its host name",
        "fqdn": "the node's name is its host name",
        "ssh_authorized_keys": "use os.sshAuthorizedKeys",
    }
)
"""Keys that khgen writes, and what to use instead."""


def own_keys(spec: ClusterSpec) -> Iterator[Finding]:
    """Keys that would stand twice, or undo what the nodes depend on."""
    for key in spec.user_data.extra:
        if key in OWN_KEYS:
            message = f"cloud-config key {quoted(key)} is khgen's own"
            yield Finding(path=(*EXTRA, key), message=message, hint=OWN_KEYS[key], at_key=True)


def runcmd_shape(spec: ClusterSpec) -> Iterator[Finding]:
    """runcmd that is not a list of commands: khgen adds its own to the end."""
    if not isinstance(spec.user_data.extra.get("runcmd", []), list):
        hint = "write a list of commands"
        yield Finding(path=(*EXTRA, "runcmd"), message="runcmd must be a list", hint=hint)


CHECKS = (
    Check(find=own_keys, reads=(EXTRA,)),
    Check(find=runcmd_shape, reads=(EXTRA,)),
)
