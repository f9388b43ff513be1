"""How khgen render ends: what changed against what the output held before."""

import json
from pathlib import Path

import pytest

from khgen.cli import comparing
from khgen.cli.outcome import LISTED_NODES
from support.command import SMALL_SPEC, khgen

APPLY = "  kubectl --kubeconfig out/admin.conf apply -f out/update.yaml\n"
NOT_SEEN = f"machines that are up update in turn after:\n{APPLY}khgen schema --changes lists"
W1 = "  - {name: w1, role: worker, address: 10.9.0.21}\n"
KERNEL = ('release: "12"', 'release: "12", sysctl: {extra: {vm.swappiness: 1}}')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    render(tmp_path)
    return tmp_path


def render(folder: Path, *arguments: str) -> str:
    """What is said at the end of a render, after what comes next."""
    done = khgen("render", "cluster.yaml", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("get nodes\n")[2]


def with_nodes(rows: str) -> str:
    return SMALL_SPEC.replace(W1, f"{W1}{rows}")


def workers(first: int, last: int) -> str:
    return "".join(
        f"  - {{name: w{n}, role: worker, address: 10.9.1.{n}}}\n" for n in range(first, last + 1)
    )


def test_a_first_render_has_nothing_to_compare_with(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    said = render(tmp_path)
    assert said.startswith("\ncreated small.secrets.yaml")
    done = khgen("render", "cluster.yaml", "-o", "other", "--format", "json", cwd=tmp_path)
    assert json.loads(done.stdout)["changes"] is None


def test_a_render_of_the_same_says_that_nothing_changed(folder: Path) -> None:
    assert render(folder) == "\nno node changed against what out/ held\n"
    assert "changed" not in render(folder, "--check")


def test_a_line_for_each_node_that_changed(folder: Path) -> None:
    more = "".join(
        f"  - {{name: cp{n}, role: control-plane, address: 10.9.0.1{n}}}\n" for n in (4, 5)
    )
    (folder / "cluster.yaml").write_text(with_nodes(more))
    said = render(folder)
    files = "/etc/hosts, /etc/khgen/haproxy.cfg, /etc/khgen/keepalived.conf"
    assert said.startswith(
        "\nchanged against what out/ held:\n"
        + "".join(f"  ~ cp{n}: reload ({files} and 3 more)\n" for n in (1, 2, 3))
        + "  + cp4: new machine\n  + cp5: new machine\n"
        + NOT_SEEN
    )


def test_machines_that_stay_as_they_are_are_not_mentioned(
    folder: Path,
) -> None:
    (folder / "cluster.yaml").write_text(with_nodes(workers(2, 2)))
    listed = "".join(f"  ~ cp{n}: reload (/etc/khgen/nodes.json)\n" for n in (1, 2, 3))
    said = render(folder)
    assert said.startswith(f"\nchanged against what out/ held:\n{listed}  + w2: new machine\n")
    (folder / "cluster.yaml").write_text(SMALL_SPEC)
    said = render(folder)
    assert said.startswith(
        f"\nchanged against what out/ held:\n{listed}  - w2: gone from the spec\n"
    )


def test_a_render_of_one_node_speaks_of_that_node(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(SMALL_SPEC.replace(*KERNEL))
    said = render(folder, "--node", "w1")
    assert said.startswith(
        "\nchanged against what out/ held:\n  ~ w1: reload (/etc/sysctl.d/99-zz-khgen.conf)\n"
    )


def test_a_new_policy_is_for_update_yaml_alone(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(f"{SMALL_SPEC}updates: {{paused: true}}\n")
    said = render(folder)
    assert said.startswith(f"\nno node changed against what out/ held\n{NOT_SEEN}")
    assert render(folder) == "\nno node changed against what out/ held\n"


def test_hosts_without_the_api_get_updates_by_seeds(folder: Path) -> None:
    more = "  - {name: lb1, role: load-balancer, address: 10.9.0.31}\n"
    (folder / "cluster.yaml").write_text(with_nodes(more))
    assert "etcd and load-balancer hosts get their updates by seeds" in render(folder)
    (folder / "cluster.yaml").write_text(f"{with_nodes('')}updates: {{pull: false}}\n")
    assert "machines that are up get their updates by seeds" in render(folder)


def test_many_nodes_are_summed_up_by_role(folder: Path) -> None:
    few = LISTED_NODES - 3  # the control planes change too
    (folder / "cluster.yaml").write_text(with_nodes(workers(2, few + 1)))
    assert "of role worker" not in render(folder), "each is listed"
    (folder / "cluster.yaml").write_text(with_nodes(workers(2, LISTED_NODES + 1)))
    render(folder)
    changed = with_nodes(workers(3, LISTED_NODES + 2)).replace(*KERNEL)
    (folder / "cluster.yaml").write_text(changed)
    said = render(folder)
    assert said.startswith(
        "\nchanged against what out/ held:\n"
        "  ~ 3 of role control-plane: reload\n"
        f"  ~ {LISTED_NODES} of role worker: reload\n"
        "  + 1 of role worker: new machine\n"
        "  - 1 of role worker: gone from the spec\n" + NOT_SEEN
    )
    # A key of the last worker counts, whether or not its files are among those that are read.
    last = f"address: 10.9.1.{LISTED_NODES + 2}"
    (folder / "cluster.yaml").write_text(
        with_nodes(workers(3, LISTED_NODES + 2)).replace(
            last, f"{last}, kubeletExtraArgs: {{v: '4'}}"
        )
    )
    assert f"  ~ {LISTED_NODES + 1} of role worker: restart\n" in render(folder)
    assert LISTED_NODES > comparing.COMPARED


def test_the_same_for_programs(folder: Path) -> None:
    (folder / "cluster.yaml").write_text(SMALL_SPEC.replace(*KERNEL))
    done = khgen("render", "cluster.yaml", "--format", "json", cwd=folder)
    assert json.loads(done.stdout)["changes"] == [
        {"role": "control-plane", "change": "changed", "nodes": 3, "effect": "reload"},
        {"role": "worker", "change": "changed", "nodes": 1, "effect": "reload"},
    ]


def test_a_damaged_output_is_replaced_all_the_same(folder: Path) -> None:
    (folder / "out/nodes/w1/user-data").write_text("spoiled")
    (folder / "cluster.yaml").write_text(SMALL_SPEC.replace(*KERNEL))
    said = render(folder)
    assert "what out/ held before could not be compared: " in said
    assert render(folder) == "\nno node changed against what out/ held\n"
