"""The seal of a secrets file: a digest over its content, or a MAC where the operator keeps a key.

It covers what YAML makes of the text: layout, comments and the order of keys do not count, so that
SOPS and editors may write the file anew. The text of every value does.
"""

import hashlib
import hmac
import json

import yaml

SEAL = "digest"
"""The field of the seal, the last one that khgen writes."""

MIN_KEY_BYTES = 16
KEY_VARIABLE = "KHGEN_SECRETS_KEY_FILE"
SEAL_COMMAND = "khgen secrets seal"

_DIGEST, _MAC = "sha256:", "hmac-sha256:"
_SEAL_HINT = (
    f"restore the file from a copy; if its content is right, as after a change by hand:"
    f" {SEAL_COMMAND}"
)

Content = str | list["Content"] | dict[str, "Content"]


def seal_of(root: yaml.Node, key: bytes | None) -> str:
    """The seal of a document: with a key an HMAC-SHA256, without one a SHA-256."""
    content = _canonical(root)
    if key is None:
        return _DIGEST + hashlib.sha256(content).hexdigest()
    return _MAC + hmac.digest(key, content, hashlib.sha256).hex()


def seal_fault(root: yaml.Node, seal: str | None, key: bytes | None) -> tuple[str, str] | None:
    """What is wrong with a document's seal, and what to do; None if it holds.

    With a key only a MAC holds: else whoever can write the file could put a digest in its place.
    """
    if seal is None:
        return f"the secrets file may be damaged: it has no {SEAL}", _SEAL_HINT
    if key is None and seal.startswith(_MAC):
        hint = f"set {KEY_VARIABLE} to the file that holds the key"
        return "the secrets file is sealed with a key, and none is given", hint
    if key is not None and not seal.startswith(_MAC):
        return "the secrets file is not sealed with a key, but one is given", _SEAL_HINT
    if hmac.compare_digest(seal_of(root, key).encode(), seal.encode()):
        return None
    other = "" if key is None else ", or it is sealed with another key"
    return f"the secrets file is damaged: its content does not match its {SEAL}{other}", _SEAL_HINT


def _canonical(root: yaml.Node) -> bytes:
    content = _content(root)
    if isinstance(content, dict):
        content.pop(SEAL, None)
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode("ascii")


def _content(node: yaml.Node) -> Content:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _content(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_content(item) for item in node.value]
    return str(node.value)
