"""The tables of changes: every key of the schema, every file of every node, and nothing else."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from khgen.changes.compare import Change, FileChange, TreeFile, changed_keys, rule_of, spec_values
from khgen.changes.file_rules import FILES, changes_text, file_rule
from khgen.changes.key_rules import KEYS, MEANINGS, Concerned, Effect, concerns, strongest
from khgen.pki.identity import FACTS
from khgen.spec.model import ClusterSpec, NodeRole
from support.command import SMALL_SPEC, khgen
from support.rendering import EXAMPLES, ROOT, example_render, example_spec, spec_of

JsonSchema = Mapping[str, Any]


def leaves(part: JsonSchema, definitions: JsonSchema, path: str = "") -> Iterator[str]:
    """The dotted path of each value that a spec may hold; `[]` stands for any item of a list."""
    for key, field in part["properties"].items():
        for name, many in references(field):
            if "properties" in definitions[name]:
                yield from leaves(definitions[name], definitions, f"{path}{key}{many}.")
                break
        else:
            yield f"{path}{key}"


def references(field: JsonSchema, many: str = "") -> Iterator[tuple[str, str]]:
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2], many
    for item in (*field.get("anyOf", ()), *field.get("allOf", ())):
        yield from references(item, many)
    if isinstance(field.get("items"), Mapping):
        yield from references(field["items"], "[]")


def test_every_key_of_the_schema_is_in_the_table_and_no_other() -> None:
    schema = ClusterSpec.model_json_schema()
    assert sorted(KEYS) == sorted(leaves(schema, schema["$defs"]))


def test_each_effect_is_said_and_is_that_of_some_key() -> None:
    assert list(MEANINGS) == list(Effect)
    assert {rule.effect for rule in KEYS.values()} == set(Effect)


def test_the_identity_of_a_cluster_cannot_change() -> None:
    never = {key for key, rule in KEYS.items() if rule.effect is Effect.NOT_POSSIBLE}
    assert never == {
        "metadata.name",
        "kubernetes.clusterName",
        "kubernetes.encryptionAtRest",
        "networking.podSubnet",
        "networking.serviceSubnet",
        "networking.dnsDomain",
        "controlPlaneEndpoint.vip",
        "controlPlaneEndpoint.host",
        "controlPlaneEndpoint.port",
        "etcd.topology",
        "etcd.dataDir",
        "pki.algorithm",
    }


def test_what_the_secrets_file_records_cannot_change() -> None:
    recorded = [".".join(map(str, fact.path)) for fact in FACTS]
    assert {rule_of(key).effect for key in recorded} == {Effect.NOT_POSSIBLE}


def test_each_rule_is_whole_sentences() -> None:
    for key, rule in KEYS.items():
        assert rule.means.endswith("."), key
        assert key.startswith("nodes[]") == (rule.concerned is Concerned.ITSELF), key


def test_the_most_disruptive_effect_counts() -> None:
    assert strongest(Effect) is Effect.NOT_POSSIBLE
    assert strongest((Effect.NOTHING, Effect.RELOAD, Effect.NEW_MACHINE)) is Effect.RELOAD
    assert strongest(()) is Effect.NOTHING
    assert rule_of("install.artifacts.runc").effect is Effect.DRAIN
    assert rule_of("os.hosts").effect is Effect.RELOAD


def test_control_planes_stand_in_for_hosts_that_a_cluster_has_not() -> None:
    plain = {NodeRole.CONTROL_PLANE, NodeRole.WORKER}
    assert concerns(Concerned.ETCD, NodeRole.CONTROL_PLANE, plain)
    assert not concerns(Concerned.ETCD, NodeRole.CONTROL_PLANE, {*plain, NodeRole.ETCD})
    assert concerns(Concerned.ETCD, NodeRole.ETCD, {*plain, NodeRole.ETCD})
    assert not concerns(Concerned.LOAD_BALANCERS, NodeRole.WORKER, plain)
    assert not concerns(Concerned.ITSELF, NodeRole.WORKER, plain)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_file_of_every_node_has_a_rule_of_its_own(example: str) -> None:
    render = example_render(example)
    for node in render.plan.nodes:
        for file in (*render.node(node).files, *render.node(node).living):
            assert file_rule(str(file.path)).pattern != "*", file.path


def test_no_pattern_hides_one_that_follows() -> None:
    sample = [rule.pattern.replace("*", "x") for rule in FILES]
    assert [file_rule(path) for path in sample] == list(FILES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_private_file_is_known_as_one_even_if_its_mode_was_lost(example: str) -> None:
    render = example_render(example)
    for node in render.plan.nodes:
        for file in render.node(node).files:
            path, opened = str(file.path), TreeFile(content=file.content.encode(), closed=False)
            change = FileChange(
                path=path,
                change=Change.GONE,
                effect=Effect.NOTHING,
                rule=file_rule(path),
                before=opened,
                after=None,
            )
            public = file.mode & 0o077 or path.endswith(("sa.pub", "etcd.yaml"))
            assert change.private or public, path


def test_a_spec_does_not_differ_from_itself_and_each_key_is_found() -> None:
    old = spec_values(spec_of(SMALL_SPEC))
    assert changed_keys(old, old) == ()
    new = SMALL_SPEC.replace("name: w1,", "name: w1, labels: {a: b}, taints: [],").replace(
        'os: {family: debian, release: "12"}',
        'os: {family: debian, release: "12", hosts: [{address: 10.9.0.1, names: [gate]}]}\n'
        "bootstrapToken: {ttl: 4h}\nkubernetes: {apiServer: {extraArgs: {v: 4}}}",
    )
    found = [key.path for key in changed_keys(old, spec_values(spec_of(new)))]
    assert sorted(found) == [
        "bootstrapToken",
        "kubernetes.apiServer.extraArgs",
        "nodes[w1].labels",
        "nodes[w1].taints",
        "os.hosts",
    ]


def test_a_key_that_an_older_khgen_did_not_know_is_no_change() -> None:
    new = spec_values(spec_of(SMALL_SPEC))
    old = {key: value for key, value in new.items() if key != "pki"}
    old["os"] = {key: value for key, value in new["os"].items() if key != "swap"}
    assert changed_keys(old, new) == ()


def test_a_free_form_value_is_kept_as_a_digest() -> None:
    spec = SMALL_SPEC.replace(
        "address: 10.9.0.21",
        "address: 10.9.0.21, network: {prefixLength: 24, raw: {version: 2, wifis: {w: {access-points: {hush: {}}}}}}",
    )
    values = spec_values(spec_of(f"{spec}userData: {{extra: {{chpasswd: hush}}}}\n"))
    assert "hush" not in str(values)
    assert list(values["userData"]["extra"]) == ["chpasswd"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_spec_of_an_example_survives_its_way_through_json(example: str) -> None:
    values = spec_values(example_spec(example))
    assert changed_keys(values, values) == ()
    assert values["metadata"]["name"]


def test_the_committed_page_is_that_of_the_tables() -> None:
    said = khgen("schema", "--changes", cwd=ROOT).stdout
    assert said == changes_text()
    assert (ROOT / "docs" / "changes.md").read_text(encoding="utf-8") == said
