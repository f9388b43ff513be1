"""The instance-id: cloud-init places files only for one that it has not seen."""

from dataclasses import replace
from datetime import timedelta

import yaml

from khgen.pki.secrets import EVERYONE, Secrets, renewed, with_replaced
from khgen.plan.cluster_plan import build_plan
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec
from support.fixed import FIXED_NOW, fixed_secrets
from support.topologies import cluster, topology

SPEC = topology("dedicated-lb")
SECRETS = fixed_secrets(SPEC)
LATER = FIXED_NOW + timedelta(days=1)


def instance_ids(spec: ClusterSpec = SPEC, secrets: Secrets = SECRETS) -> dict[str, str]:

    plan = build_plan(spec, secrets.founders, secrets.replaced)
    render = ClusterRender(plan, secrets, {})
    return {node.name: render.node(node).instance_id for node in plan.nodes}


def changed(other: dict[str, str]) -> set[str]:
    before = instance_ids()
    return {name for name, instance in before.items() if other.get(name) != instance}


def test_it_is_the_same_for_the_same_user_data() -> None:
    assert changed(instance_ids()) == set()


def test_renewed_certificates_make_a_new_one_on_each_node_that_has_some() -> None:
    ids = instance_ids(secrets=renewed(SECRETS, (EVERYONE,), LATER))
    with_certificates = {name for name in ids if not name.startswith("lb")}
    assert changed(ids) >= with_certificates
    assert changed(instance_ids(secrets=renewed(SECRETS, ("w1",), LATER))) == {"w1"}


def test_a_renewal_changes_nothing_that_is_used_once() -> None:
    before, after = (
        ClusterRender(build_plan(SPEC, SECRETS.founders), secrets, {})
        for secrets in (SECRETS, renewed(SECRETS, (EVERYONE,), LATER))
    )
    for node in before.plan.nodes:
        kept = {file.path: file for file in before.node(node).files}
        for file in after.node(after.plan.by_name[node.name]).files:
            if file.path.name in {"kubeadm.yaml", "etcd.yaml"}:
                assert file == kept[file.path]


def test_another_control_plane_makes_a_new_one_where_haproxy_is_to_know_it() -> None:
    spec = cluster({"cp": 4, "lb": 2, "w": 2}, controlPlaneEndpoint=SPEC.control_plane_endpoint)
    assert {"lb1", "lb2"} <= changed(instance_ids(spec))
    assert not changed(instance_ids(spec)) & {"w1", "w2"}


def test_another_worker_makes_none() -> None:
    spec = cluster({"cp": 3, "lb": 2, "w": 3}, controlPlaneEndpoint=SPEC.control_plane_endpoint)
    assert changed(instance_ids(spec)) == set()


def test_a_replaced_machine_has_a_new_one() -> None:
    assert changed(instance_ids(secrets=with_replaced(SECRETS, "w2", LATER))) == {"w2"}


def test_it_is_what_the_meta_data_says() -> None:
    render = ClusterRender(build_plan(SPEC, SECRETS.founders), replace(SECRETS), {})
    node = render.node(render.plan.nodes[0])
    meta = yaml.safe_load(node.meta_data)
    assert meta == {"instance-id": node.instance_id, "local-hostname": node.node.name}
