"""A render with a hostile text in it, read by other readers and compared with a harmless one."""

import configparser
import json
import re
import shlex
import tomllib
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any
from urllib.parse import unquote

import yaml

from hostile.places import Field
from khgen.bundle.user_data import files_of_user_data
from khgen.files.golden_image import in_image
from khgen.pki.secrets import Secrets
from khgen.plan.cluster_plan import NodeFile, build_plan
from khgen.problems import problem_text
from khgen.render import ClusterRender
from khgen.spec.load import load_spec
from khgen.spec.model import ClusterSpec
from khgen.yaml_text import dump_yaml
from support.fixed import fixed_secrets
from support.spec_texts import changed

Tree = Any


class HostileTextError(AssertionError):
    """A text did not come back out of a render."""


def outcome(field: Field, text: str, *, render: bool = True) -> bool:
    """Whether khgen accepts the text there; raises where an answer, or what it renders, is wrong."""
    source = dump_yaml(field.document(text))
    loaded = load_spec(source, "cluster.yaml")
    for problem in loaded.problems:
        shown = problem_text(problem, source)
        if not all(c.isprintable() or c in "\n\t" for c in shown) or "\n" in problem.message:
            raise HostileTextError(shown)
        if problem.place.line < 1 or problem.place.column < 1:
            raise HostileTextError(shown)
    if loaded.spec is None:
        if not loaded.problems.errors:
            message = "refused without a reason"
            raise HostileTextError(message)
        return False
    found = rendered(loaded.spec) if render else None
    if (
        render
        and field.compared
        and not any(
            found == replaced(harmless(field), field.harmless, form(text)) for form in FORMS
        )
    ):
        raise HostileTextError(difference(replaced(harmless(field), field.harmless, text), found))
    return True


FORMS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: text.rstrip("/"),
    lambda text: text.replace("/", "."),
    str.lower,
    str.strip,
)
"""What khgen may do with a text: URLs lose their last slash, kernel settings have dots, and so on."""


@cache
def harmless(field: Field) -> Tree:
    """The render with the harmless text."""
    source = dump_yaml(field.document(field.harmless))
    loaded = load_spec(source, "cluster.yaml")
    assert loaded.spec is not None, (field.path, field.name, list(loaded.problems))
    return rendered(loaded.spec)


@cache
def secrets_once() -> Secrets:
    loaded = load_spec(dump_yaml(changed({})), "cluster.yaml")
    assert loaded.spec is not None
    return fixed_secrets(loaded.spec)


def rendered(spec: ClusterSpec) -> Tree:
    """What one node of each kind is given, as other programs read it."""
    secrets = secrets_once()
    plan = build_plan(spec, secrets.founders)
    manifests = {m.path: b"kind: List\n" for m in spec.addons.manifests if m.path is not None}
    render = ClusterRender(plan, secrets, manifests)
    tree: dict[str, Tree] = {}
    for kind, node in {node.kind: node for node in plan.nodes}.items():
        given = render.node(node)
        document = yaml.load(given.user_data.text, Loader=yaml.CSafeLoader)
        del document["write_files"]
        written = {str(f.path): f.content for f in files_of_user_data(given.user_data.delivered)}
        baked = in_image(plan, given.files)
        travels = {str(file.path): file.content for file in given.files if file not in baked}
        if written != travels:
            raise HostileTextError(difference(travels, written))
        meta_data = yaml.load(given.meta_data, Loader=yaml.CSafeLoader)
        meta_data.pop("instance-id")
        tree[kind] = {
            "cloud-config": document,
            "meta-data": meta_data,
            "network-config": yaml.load(given.network_config or "", Loader=yaml.CSafeLoader),
            "files": {str(file.path): read(file) for file in given.files},
        }
    return tree


def read(file: NodeFile) -> Tree:
    """What the program that the file is for finds in it."""
    path, text = str(file.path), file.content
    if "kubeadm.yaml" in path or path.endswith((".yaml", ".yml")):
        return list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    if path.endswith(".toml"):
        return tomllib.loads(text)
    if path.endswith(".json"):
        return json.loads(text)
    if text.startswith("apiVersion: v1\nkind: Config\n"):
        return _without_keys(yaml.load(text, Loader=yaml.CSafeLoader))
    if path.endswith("/node.env"):
        return _environment(text)
    if path.endswith(".repo"):
        return _repositories(text)
    if path.endswith(".list"):
        return [[unquote(word) for word in line.split()] for line in text.splitlines()]
    if "/sysctl.d/" in path:
        # Of a key that is there twice the last value holds (sysctl.d(5)).
        settings = (line.partition("=") for line in text.split("\n"))
        return {key.strip(): f"{sign}{value.strip()}" for key, sign, value in settings}
    if "/pki/" in path or text.startswith("-----BEGIN CERT") or "client-key-data" in text:
        return "keys"
    return text


def _without_keys(tree: Tree) -> Tree:
    if isinstance(tree, dict):
        return {k: "keys" if k.endswith("-data") else _without_keys(v) for k, v in tree.items()}
    return [_without_keys(item) for item in tree] if isinstance(tree, list) else tree


def _environment(text: str) -> Tree:
    """The assignments at the head; a shell's words, as shlex reads them."""
    head = re.split(r"(?m)^(?![A-Z_]+=)", text, maxsplit=1)[0] if "\n" in text else text
    words = shlex.split(head)
    values: dict[str, Tree] = dict(word.split("=", 1) for word in words)
    values.pop("MACHINE", None)
    values["REPOSITORY_KEYS"] = values.get("REPOSITORY_KEYS", "").split()
    # It becomes a baseurl, which is a list for dnf.
    values["PACKAGE_MIRROR"] = values.get("PACKAGE_MIRROR", "").replace("%2C", ",")
    return {"values": values, "functions": text[len(head) :]}


def _repositories(text: str) -> Tree:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    # dnf's lists end at a comma or a blank; what it fetches, a server decodes.
    return {
        name: {key: [part.replace("%2C", ",") for part in re.split("[, ]", value)]
               for key, value in parser[name].items()}
        for name in parser.sections()
    }  # fmt: skip


def replaced(tree: Tree, harmless_text: str, text: str) -> Tree:
    """The tree with the text in the place of the harmless one, in keys too."""
    if isinstance(tree, str):
        return tree.replace(harmless_text, text)
    if isinstance(tree, dict):
        return {
            replaced(key, harmless_text, text): replaced(value, harmless_text, text)
            for key, value in tree.items()
        }
    if isinstance(tree, list | tuple):
        return type(tree)(replaced(item, harmless_text, text) for item in tree)
    return deepcopy(tree)


def difference(wanted: Tree, found: Tree, path: str = "") -> str:
    """The first place where two trees differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        if wanted.keys() != found.keys():
            return f"{path}: {sorted(map(str, wanted.keys() ^ found.keys()))}"
        return next(
            (
                difference(wanted[k], found[k], f"{path}/{k}")
                for k in wanted
                if wanted[k] != found[k]
            ),
            path,
        )
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = enumerate(zip(wanted, found, strict=True))
        return next((difference(a, b, f"{path}[{i}]") for i, (a, b) in pairs if a != b), path)
    return f"{path}: {wanted!r} is not {found!r}"[:600]
