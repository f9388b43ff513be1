"""Text types of the schema: every text that reaches a node has one of them.

Everything may end in a shell word, a configuration file or a certificate: no pattern lets a
blank, a quote, a line end or a shell metacharacter through, unless a comment allows it.
"""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from khgen.spec.model.values import parse_address

LABEL_1123 = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
SUBDOMAIN_1123 = rf"{LABEL_1123}(\.{LABEL_1123})*"
QUALIFIED_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
PRINTABLE = r"[^\x00-\x1f\x7f\u0085\u2028\u2029]"
NO_BLANK = r"[^\x00-\x20\x7f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
VERSION = r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){2}"
HOST_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
REGISTRY = rf"{HOST_LABEL}(\.{HOST_LABEL})*(:[0-9]{{1,5}})?"
LOWER_REGISTRY = rf"{SUBDOMAIN_1123}(:[0-9]{{1,5}})?"
IMAGE_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
"""A part of an image's path (distribution/reference, path-component)."""
IPV6_LITERAL = r"[0-9a-fA-F:.]*:[0-9a-fA-F:.]*"

ACCEPTED: dict[str, str] = {}
"""What each pattern accepts, as text for the message about a value that does not match."""


def flag_text(value: object) -> object:
    """The value of a command-line flag, where true and false are text."""
    return str(value).lower() if isinstance(value, bool) else value


def name_or_address(value: str) -> str:
    """The value, if what looks like an IP address is one.

    A last label of digits alone is no top-level domain (RFC 1123, 2.1): 10.0.0.256 is a mistyped
    address, and a resolver would still look it up.
    """
    if ":" in value or value.rpartition(".")[2].isdecimal():
        parse_address(value)
    return value


def _text(pattern: str, accepted: str, max_length: int = 253) -> StringConstraints:
    whole = f"^({pattern})$"
    ACCEPTED[whole] = accepted
    return StringConstraints(pattern=whole, max_length=max_length)


NodeName = Annotated[
    str,
    _text(
        SUBDOMAIN_1123,
        "a host name (RFC 1123): lower case letters, digits, '-' and '.', parts of 1 to 63 characters",
    ),
]
DnsDomain = Annotated[
    str, _text(f"{SUBDOMAIN_1123}()", "a DNS domain in lower case, like cluster.local")
]
ShortName = Annotated[
    str, _text(LABEL_1123, "a name of lower case letters, digits and '-', at most 63 long")
]
HostName = Annotated[
    str,
    _text(rf"{HOST_LABEL}(\.{HOST_LABEL})*|{IPV6_LITERAL}", "a DNS name or an IP address"),
    AfterValidator(name_or_address),
]
EndpointHost = Annotated[
    str,
    _text(
        rf"{SUBDOMAIN_1123}|{IPV6_LITERAL}",
        "a DNS name in lower case or an IP address, without a port",
    ),
    AfterValidator(name_or_address),
]
SubjectName = Annotated[
    str,
    _text(
        rf"(\*\.)?{SUBDOMAIN_1123}|{IPV6_LITERAL}",
        "a DNS name in lower case, with or without a leading '*.', or an IP address",
    ),
    AfterValidator(name_or_address),
]
ClockTime = Annotated[
    str, _text(r"([01][0-9]|2[0-3]):[0-5][0-9]", "a time of day from 00:00 to 23:59, like 22:00")
]
TimeZone = Annotated[
    str, _text(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", "a time zone like Asia/Shanghai", 64)
]
KubernetesVersionText = Annotated[str, _text(VERSION, "a whole version like 1.29.6")]
ContainerdVersionText = Annotated[
    str, _text(r"1\.[67](\.[0-9]{1,3})?|2(\.([0-9]{1,3}|x)){0,2}", "1.6, 1.7 or 2.x")
]
ImageName = Annotated[
    str,
    _text(
        rf"({LOWER_REGISTRY}/)?{IMAGE_PART}(/{IMAGE_PART})*"
        r"(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?",
        "an image in lower case (only its tag may have upper case), without https://",
    ),
]
ImageRepository = Annotated[
    str,
    _text(
        rf"{LOWER_REGISTRY}(/{IMAGE_PART})*",
        "a repository of images in lower case, like registry.k8s.io or registry.lan:5000/k8s, "
        "without https://, tag and digest",
    ),
]
"""kubeadm appends a name and tag like /kube-apiserver:v1.29.6."""
ImageChecksum = Annotated[
    str,
    _text(
        r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}",
        "sha256: and 64, or sha512: and 128 hexadecimal digits",
    ),
]
DiskSize = Annotated[str, _text(r"[1-9][0-9]{0,5}[GM]", "a size like 8G or 20480M")]
ImageTag = Annotated[str, _text(r"[A-Za-z0-9_][A-Za-z0-9._-]*", "an image tag", 128)]
LabelKey = Annotated[
    str,
    _text(rf"({SUBDOMAIN_1123}/)?{QUALIFIED_NAME}", "a label key like example.com/rack", 317),
]
LabelValue = Annotated[
    str,
    _text(
        rf"({QUALIFIED_NAME})?", "a label value: letters, digits, '-', '_' and '.', at most 63", 63
    ),
]
FlagName = Annotated[
    str, _text(r"[a-z0-9][a-z0-9-]*", "the name of a flag, without leading dashes", 128)
]
FlagValue = Annotated[
    str, BeforeValidator(flag_text), _text(f"{PRINTABLE}*", "one line of text", 4096)
]
"""May hold blanks and quotes: it is only written as a YAML or JSON value."""
KubeletFlagValue = Annotated[
    str,
    BeforeValidator(flag_text),
    _text(r"[A-Za-z0-9._:/@,=%*~<>!+-]*", "text without blanks and quotes", 4096),
]
"""kubeadm writes it, unquoted, to /var/lib/kubelet/kubeadm-flags.env."""
FilePath = Annotated[str, _text(f"{PRINTABLE}+", "a file name", 4096)]
"""A file on the operator's machine."""
AuthorizedKey = Annotated[
    str,
    _text(
        rf"[a-z0-9@.-]+ [A-Za-z0-9+/]+={{0,3}}( {PRINTABLE}*)?",
        "a public key like 'ssh-ed25519 AAAA... name'",
        16384,
    ),
]
KeyBlock = Annotated[
    str,
    _text(
        r"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([\x20-\x7e]*\r?\n)+"
        r"-----END PGP PUBLIC KEY BLOCK-----\s*",
        "an ASCII-armored OpenPGP key that starts with -----BEGIN PGP PUBLIC KEY BLOCK-----",
        65536,
    ),
]
SysctlName = Annotated[
    str,
    _text(
        r"-?[a-zA-Z0-9_*][a-zA-Z0-9_*-]*([./][a-zA-Z0-9_*-]+)*",
        "the name of a kernel setting, like vm.swappiness",
    ),
]
SysctlValue = Annotated[
    str,
    _text(
        rf"({NO_BLANK}({PRINTABLE}*{NO_BLANK})?)?",
        "one line of text without a blank at its start or end (systemd removes them)",
        1024,
    ),
]
Sha256 = Annotated[str, _text(r"[0-9a-f]{64}", "a SHA-256 digest: 64 hexadecimal digits")]
Url = Annotated[
    str,
    _text(
        r"https?://([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?"
        r"(/[A-Za-z0-9._~:/?@!+,=&%-]*)?",
        "a URL like https://example.com/file, without user name, quotes and blanks",
        2048,
    ),
]
SafePath = Annotated[
    str, _text(r"/[A-Za-z0-9._/@:+-]*", "an absolute path of letters, digits and ._/@:+-", 4095)
]
Word = Annotated[
    str, _text(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*", "a word of letters, digits and ._:/@+-")
]
InterfaceName = Annotated[
    str,
    _text(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", "the name of a network interface: 1 to 15 characters"
    ),
]
MacAddress = Annotated[
    str, _text(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", "a MAC address like 52:54:00:12:34:56")
]
RegistryName = Annotated[
    str, _text(rf"{REGISTRY}|_default", "a registry like docker.io, or _default")
]
OsRelease = Annotated[str, _text(r"[0-9]{1,3}(\.[0-9]{1,3})?", "a release like 12, 24.04 or 9")]
