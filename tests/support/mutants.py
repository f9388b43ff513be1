"""Damaged specs by chance: each gives problems with a place, or a render, seeds and exports.

PYTHONPATH=tests .venv/bin/python -m support.mutants --specs 12000
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy

import yaml

from khgen.bundle.user_data import files_of_user_data
from khgen.disk.spec_file import local_manifests
from khgen.export.platforms import PLATFORMS
from khgen.export.rendered_machines import ExportCluster, ExportNode
from khgen.export.seeds import SeedFormat, seed_files
from khgen.files.golden_image import in_image
from khgen.problems import problem_text
from khgen.render import ClusterRender, RenderedNode
from khgen.spec.load import load_spec
from khgen.spec.model import ClusterSpec
from khgen.yaml_reader import PlainValue, YamlReader
from khgen.yaml_text import dump_yaml
from support.fixed import fixed_secrets
from support.rendering import EXAMPLES, EXAMPLES_FOLDER, plan_of

SEED = 20260101
EXPORTED = 25
"""Of so many renders one goes through seeds and exports."""
JUNK: tuple[PlainValue, ...] = (
    None, True, False, int("9" * 18), "9" * 5000, -1, 0, 10**30, 65536, "", " ", "x" * 5000, "1.30", "0644", "~", "\N{SNOWMAN}",
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
    """Change one thing: delete, replace, nest, move, rename or duplicate a value."""
    found = holders(document)
    if not found:
        return
    holder = chance.choice(found)
    key = chance.choice(keys(holder))
    value = get(holder, key)
    elsewhere = chance.choice(found)
    actions: tuple[Callable[[], object], ...] = (
        lambda: holder.pop(key),  # type: ignore[union-attr,arg-type]
        lambda: put(holder, key, deepcopy(chance.choice(JUNK))),
        lambda: put(holder, key, [value]),
        lambda: put(holder, key, {str(key): value}),
        lambda: put(holder, key, str(value) + chance.choice("x.:/-0 ")),
        lambda: put(holder, key, deepcopy(chance.choice(found))),
        lambda: put(holder, key, None),
        lambda: put(holder, key, deepcopy(get(elsewhere, chance.choice(keys(elsewhere))))),
        lambda: holder.append(value) if isinstance(holder, list) else put(holder, f"{key}s", value),
    )
    chance.choice(actions)()


def damaged(text: str, chance: random.Random) -> str:
    """Change the text itself: cut, repeat or insert something anywhere."""
    at = chance.randrange(len(text))
    end = at + chance.randrange(1, 40)
    lines = text.splitlines(keepends=True)
    line = chance.choice(lines)
    replacement = chance.choice(("", text[at:end] * 2, chance.choice(BYTES), f"\n{line}", line * 2))
    return text[:at] + replacement + text[end if chance.random() < 0.7 else at :]


def check(text: str, *, export: bool = False) -> bool:
    """Whether khgen accepts the text; raises where its answer is wrong."""
    loaded = load_spec(text, "cluster.yaml")
    assert loaded.spec is not None or loaded.problems.errors
    for problem in loaded.problems:
        assert problem.place.file == "cluster.yaml"
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        shown = problem_text(problem, text)
        assert all(c.isprintable() or c in "\n\t" for c in shown), shown
        assert "\n" not in problem.message, problem.message
    if loaded.spec is not None:
        check_render(loaded.spec, export=export)
    return loaded.spec is not None


def check_render(spec: ClusterSpec, *, export: bool) -> None:
    """A spec without errors can be rendered, and what comes out is YAML with the right files."""
    plan = plan_of(spec)
    manifests = {name: b"kind: List\n" for _, name in local_manifests(spec)}
    render = ClusterRender(plan, fixed_secrets(spec), manifests)
    for node in {node.kind: node for node in plan.nodes}.values():
        rendered = render.node(node)
        written = frozenset(files_of_user_data(rendered.user_data.delivered))
        baked = in_image(plan, rendered.files)
        travels = frozenset(rendered.files) - baked
        assert written == travels
        assert bool(baked) is (spec.image is not None)
        if rendered.network_config is not None:
            assert yaml.safe_load(rendered.network_config)["version"] in {1, 2}
    if export:
        check_exports(render)


def check_exports(render: ClusterRender) -> None:
    """What was rendered goes to every platform, or is refused in words, and into seeds."""
    nodes = tuple(exported(render.node(node)) for node in render.plan.nodes)
    cluster = ExportCluster(
        name=render.plan.spec.metadata.name,
        kubernetes=str(render.plan.version),
        issued_at=render.secrets.issued_at,
        nodes=nodes,
    )
    for platform in PLATFORMS.values():
        result = platform.export(cluster)
        assert result.files or result.refusals
    assert len(list(seed_files(cluster, SeedFormat.ISO))) == len(nodes)


def exported(node: RenderedNode) -> ExportNode:
    """A node as it is read back from an output folder."""
    return ExportNode(
        name=node.node.name,
        role=node.node.role.value,
        kind=node.node.kind.value,
        addresses=tuple(map(str, node.node.addresses)),
        instance_id=node.instance_id,
        encoding=node.user_data.encoding,
        user_data=node.user_data.delivered,
        meta_data=node.meta_data.encode(),
        network_config=None if node.network_config is None else node.network_config.encode(),
    )


def mutants(example: str, count: int) -> Iterator[str]:
    """Damaged texts of an example: two in three are changed as values, the others as text."""
    chance = random.Random(f"{SEED} {example}")  # noqa: S311 - repeatable on purpose
    original = (EXAMPLES_FOLDER / example / "cluster.yaml").read_text(encoding="utf-8")
    spec = load_spec(original, example).spec
    assert spec is not None
    plain = dump_yaml(spec.model_dump(mode="json", by_alias=True, exclude_unset=True))
    for number in range(count):
        if number % 3:
            document = parsed(plain)
            for _ in range(chance.choice((1, 1, 2, 5))):
                mutate(document, chance)
            yield dump_yaml(document)
        else:
            text = damaged(original, chance)
            for _ in range(chance.choice((0, 0, 1, 4))):
                text = damaged(text, chance)
            yield text


def parsed(text: str) -> PlainValue:
    """The value of a sound text."""
    reader = YamlReader("x")
    reader.read(text)
    return reader.value


def play(example: str, count: int, *, wrong: list[str] | None = None) -> Counter[str]:
    """Check so many mutants of an example; failures are raised, or collected in `wrong`."""
    counts: Counter[str] = Counter()
    for text in mutants(example, count):
        export = counts["accepted"] % EXPORTED == 0
        try:
            accepted = check(text, export=export)
        except Exception as error:
            if wrong is None:
                raise
            wrong.append(f"{example}: {type(error).__name__}: {error}"[:400])
            continue
        counts["accepted" if accepted else "refused"] += 1
        counts["exported"] += accepted and export
    return counts


def main() -> int:
    """Play all examples; 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specs", type=int, default=12000)
    given = parser.parse_args()
    wrong: list[str] = []
    counts: Counter[str] = Counter()
    for example in EXAMPLES:
        counts += play(example, given.specs // len(EXAMPLES) + 1, wrong=wrong)
    sys.stdout.writelines(f"{line}\n" for line in wrong[:20])
    sys.stdout.write(f"{dict(counts)}, {len(wrong)} wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
