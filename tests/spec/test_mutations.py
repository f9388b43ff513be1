"""Thousands of damaged specs: each gives problems or a spec, never an exception."""

import random
from copy import deepcopy
from typing import TYPE_CHECKING

import pytest
import yaml

from khgen.disk.spec_file import local_manifests
from khgen.excerpt import problem_text
from khgen.files.golden_image import in_image
from khgen.render import ClusterRender
from khgen.spec.load import load_spec
from khgen.spec.model import ClusterSpec
from khgen.spec.yaml_nodes import PlainValue
from khgen.spec.yaml_reader import YamlReader
from khgen.yaml_text import dump_yaml
from support.fixed import fixed_secrets
from support.rendering import EXAMPLES, EXAMPLES_FOLDER, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 20260101
STRUCTURAL, TEXTUAL = 170, 90  # for each example
JUNK: tuple[PlainValue, ...] = (
    None, True, -1, 0, 10**30, 65536, "", " ", "x" * 5000, "1.30", "0644", "~", "\N{SNOWMAN}",
    "\u7bc0\u9ede", "a\nb", "'; rm -rf /", "$(id)", "[::1]", "::", "fe80::1%eth0", "0.0.0.0/0",
    "::/0", "1/2", "10.0.0.0/33", "999d", "9" * 400 + "y", "control-plane", "etcd",
    "load-balancer", "external", "offline", [], {}, [[]], [{}], {"": None}, {"name": "x"}, "[key]",
)  # fmt: skip
BYTES = ("\t", "\0", "\x85", "\u2028", "\ufeff", "\udc80", "&a ", "*a", "!!int ", "<<: ", "---\n",
         "...\n", "? ", ": ", "- ", "{", "[" * 300, "}", "'", '"', "|\n", "%YAML 9\n", "@", "`")  # fmt: skip


def keys(holder: PlainValue) -> list[str | int]:
    """The keys of a mapping, the indexes of a sequence, nothing of anything else."""
    return (
        list(holder if isinstance(holder, dict) else range(len(holder)))
        if (isinstance(holder, dict | list))
        else []
    )


def get(holder: PlainValue, key: str | int) -> PlainValue:
    """The value at a key or index."""
    return holder[key]  # type: ignore[index]


def put(holder: PlainValue, key: str | int, value: PlainValue) -> None:
    """Set the value at a key or index."""
    holder[key] = value  # type: ignore[index]


def holders(value: PlainValue) -> list[PlainValue]:
    """Every mapping and sequence in a document that holds something."""
    below = [holder for key in keys(value) for holder in holders(get(value, key))]
    return [value, *below] if keys(value) else []


def mutate(document: PlainValue, chance: random.Random) -> None:
    """Change one thing: delete, replace, nest, rename or duplicate a value."""
    found = holders(document)
    if not found:
        return
    holder = chance.choice(found)
    key = chance.choice(keys(holder))
    value = get(holder, key)
    actions: tuple[Callable[[], object], ...] = (
        lambda: holder.pop(key),  # type: ignore[union-attr,arg-type]
        lambda: put(holder, key, deepcopy(chance.choice(JUNK))),
        lambda: put(holder, key, [value]),
        lambda: put(holder, key, {str(key): value}),
        lambda: put(holder, key, str(value) + chance.choice("x.:/-0 ")),
        lambda: holder.append(value) if isinstance(holder, list) else put(holder, f"{key}s", value),
    )
    chance.choice(actions)()


def damaged(text: str, chance: random.Random) -> str:
    """Change the text itself: cut, repeat or insert something anywhere."""
    at = chance.randrange(len(text))
    end = at + chance.randrange(1, 40)
    replacement = chance.choice(("", text[at:end] * 2, chance.choice(BYTES)))
    return text[:at] + replacement + text[end if chance.random() < 0.7 else at :]


def check(text: str) -> None:
    loaded = load_spec(text, "cluster.yaml")
    assert loaded.spec is not None or loaded.problems.errors
    for problem in loaded.problems:
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        shown = problem_text(problem, text)
        assert all(c.isprintable() or c in "\n\t" for c in shown), shown
        assert "\n" not in problem.message, problem.message
    if loaded.spec is not None:
        check_render(loaded.spec)


def check_render(spec: ClusterSpec) -> None:
    """A spec without errors can be rendered, and what comes out is YAML with the right files."""
    plan = plan_of(spec)
    manifests = {name: b"kind: List\n" for _, name in local_manifests(spec)}
    render = ClusterRender(plan, fixed_secrets(spec), manifests)
    for node in {node.kind: node for node in plan.nodes}.values():
        rendered = render.node(node)
        document = yaml.load(rendered.user_data.text, Loader=yaml.CSafeLoader)
        written = {entry["path"]: entry["content"] for entry in document["write_files"]}
        baked = in_image(plan, rendered.files)
        travels = {str(f.path): f.content for f in rendered.files if f not in baked}
        assert written == travels
        assert bool(baked) is (spec.image is not None)
        if rendered.network_config is not None:
            assert yaml.safe_load(rendered.network_config)["version"] == 2


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_mutated_spec_gives_problems_or_a_spec(example: str) -> None:
    chance = random.Random(f"{SEED} {example}")  # noqa: S311 - repeatable on purpose
    original = (EXAMPLES_FOLDER / example / "cluster.yaml").read_text(encoding="utf-8")
    spec = load_spec(original, example).spec
    assert spec is not None
    plain = dump_yaml(spec.model_dump(mode="json", by_alias=True, exclude_unset=True))
    for _ in range(STRUCTURAL):
        document = parsed(plain)
        for _ in range(chance.choice((1, 1, 2, 5))):
            mutate(document, chance)
        check(dump_yaml(document))
    for _ in range(TEXTUAL):
        text = damaged(original, chance)
        for _ in range(chance.choice((0, 0, 1, 4))):
            text = damaged(text, chance)
        check(text)


def test_there_are_enough_of_them() -> None:
    assert len(EXAMPLES) * (STRUCTURAL + TEXTUAL) >= 2000


def parsed(text: str) -> PlainValue:
    """The value of a sound text."""
    reader = YamlReader("x")
    reader.read(text)
    return reader.value
