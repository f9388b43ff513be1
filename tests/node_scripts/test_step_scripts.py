"""Every boot step: its header, its place, and what shellcheck says."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from khgen.files.boot import boot_environment, boot_files
from khgen.plan.cluster_plan import NodeKind, Plan
from khgen.plan.steps import STEPS, Step, steps_of
from khgen.resources import resource_folder, verbatim
from support.boot_steps import is_gate
from support.fixed import FIXED_NOW
from support.programs import assert_accepts, require_namespaces, require_program
from support.rendering import EXAMPLES, example_render, render_of
from support.topologies import TOPOLOGIES, plan_with_joiner, topology

TEMPLATES = resource_folder("templates") / "cloud-init"
SCRIPTS = sorted((TEMPLATES / "steps").glob("*.sh"))
SOURCED = sorted(TEMPLATES.glob("*.sh"))
UNITS = sorted(TEMPLATES.parent.rglob("*.service"))
PROGRAMS = [
    TEMPLATES / name
    for name in ("khgen-boot", "khgen-vip", "khgen-metadata", "check-haproxy", "check-vip-hosts")
]
IN_FORCE_AS_IT_IS = (
    *(
        "/etc/khgen/*.sh",
        "/etc/khgen/node.env",
        "/etc/khgen/steps",
        "/etc/khgen/steps.d/*",
        "/etc/khgen/wipe/*",
    ),
    *("/usr/local/sbin/khgen-boot", "/etc/systemd/system/khgen-boot.service"),
    # Run for what they place, at each boot that brings a bundle.
    *("/usr/local/sbin/khgen-place", "/etc/systemd/system/khgen-place.service"),
    # Each run reads them anew; khgen-boot's own unit starts the timer.
    *("/usr/local/sbin/khgen-update", "/etc/khgen/update.pub", "/etc/khgen/update.key"),
    "/etc/systemd/system/khgen-update.*",
    *("/etc/hosts", "/etc/crictl.yaml", "/etc/nerdctl/nerdctl.toml"),
    "/etc/cloud/cloud.cfg.d/95-khgen.cfg",
    # The kubelet and static pods read these when they start: a new seed comes with a reboot.
    *("/etc/kubernetes/*.conf", "/etc/kubernetes/encryption-config.yaml"),
    *("/etc/kubernetes/pki/*", "/etc/kubernetes/pki/etcd/*"),
)
SET_BY_BASH = {"BASH_REMATCH", "IFS", "HOME", "KUBECONFIG"}


@pytest.mark.tools
def test_shellcheck_has_nothing_to_say() -> None:
    shellcheck = require_program("shellcheck")
    # What is sourced (SC1091) is at its path on a node only, and checked here by itself.
    assert_accepts([shellcheck, "--severity=warning", "--exclude=SC1091", *SCRIPTS, *PROGRAMS])
    assert_accepts([shellcheck, "--severity=warning", "--shell=bash", *SOURCED])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_every_unit_says_what_it_is_and_where_to_read_on(unit: Path) -> None:
    section = unit.read_text(encoding="utf-8").partition("\n[Service]\n")[0]
    assert re.search(r"^Description=\S.*\S$", section, re.MULTILINE)
    assert re.search(r"^Documentation=(https://|man:)\S+$", section, re.MULTILINE)


@pytest.mark.parametrize("name", EXAMPLES)
def test_comments_of_scripts_do_not_travel_and_headers_do(name: str) -> None:
    render = example_render(name)
    for kind in {node.kind for node in render.plan.nodes}:
        for file in boot_files(render.plan, kind):
            lines = file.content.splitlines()
            kept = [line for line in lines if re.match(r"\s*#($|\s)", line)]
            assert [line for line in kept if "# shellcheck " not in line] == [], file.path
            if file.path.parent.name == "steps.d":
                assert lines[0] == "#!/bin/bash"
                assert lines[1].startswith("#: ")


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_header(script: Path) -> None:
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/bin/bash"
    assert re.fullmatch(r"#: \S.*[^.]", lines[1])
    header = lines[2 : lines.index("set -euo pipefail")]
    assert all(
        re.fullmatch(r"#(hint|every|disrupts|drains): \S.*|#files:( /\S+)+|#once: /\S+ \S.*", line)
        for line in header
    )
    names = [line.partition(":")[0] for line in header if not line.startswith("#once:")]
    assert len(set(names)) == len(names)
    # khgen-boot writes them into JSON as they are.
    assert not any(set(line) & {'"', "\\", "|"} for line in header)


@pytest.mark.parametrize("name", [*TOPOLOGIES, *EXAMPLES])
def test_each_file_is_looked_after_by_a_step_or_in_force_as_it_is(name: str) -> None:
    render = example_render(name) if name in EXAMPLES else render_of(topology(name))
    for node in render.plan.nodes:
        patterns = [
            pattern for step in steps_of(render.plan, node.kind) for pattern in looked_after(step)
        ]
        for file in render.node(node).files:
            assert any(file.path.match(p) for p in (*patterns, *IN_FORCE_AS_IT_IS)), file.path


def looked_after(step: Step) -> list[str]:
    text = verbatim(f"steps/{step.name}.sh")
    files = " ".join(re.findall(r"^#files: (.*)$", text, re.MULTILINE)).split()
    return files + re.findall(r"^#once: (\S+) ", text, re.MULTILINE)


def test_each_script_is_a_step_and_each_step_a_script() -> None:
    assert {step.name for step in STEPS} == {script.stem for script in SCRIPTS}


GATES = {
    *("clock", "vip-hosts", "founder", "etcd-quorum", "apiserver", "endpoint", "kubeadm-config"),
    *("node", "cluster-admins", "etcd-member", "control-plane-done", "ready"),
}


def test_gates_say_how_often_they_look_and_no_other_step_does() -> None:
    assert {step.name for step in STEPS if is_gate(step)} == GATES


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_value_that_a_step_reads_is_in_its_environment(name: str) -> None:
    plan = plan_with_joiner(topology(name))
    for node in plan.nodes:
        values = boot_environment(plan, node, FIXED_NOW)
        for file in boot_files(plan, node.kind):
            if file.path.parent.name == "steps.d":
                read = set(re.findall(r"\$\{?([A-Z][A-Z_]+)\b(?!-)", file.content))
                optional = set(re.findall(r"\$\{([A-Z_]+):?-\w*\}", file.content))
                if "ETCD_PEER_URL" in optional - set(values):  # asked first, where etcd is external
                    optional |= {"ETCD_URL", "ETCD_DATA_DIR"}
                assert read - optional - SET_BY_BASH <= set(values), file.path


ORDER = {
    NodeKind.FOUNDER: (
        "clock containerd load-balancer identity founder preflight etcd kubelet etcd-quorum"
        " control-plane apiserver endpoint node cluster etcd-member control-plane-done"
    ),
    NodeKind.CONTROL_PLANE_JOINER: (
        "clock containerd identity endpoint kubeadm-config join-control-plane node load-balancer"
        " etcd-member vip-hosts control-plane-done"
    ),
    NodeKind.WORKER: "clock containerd identity endpoint kubeadm-config join",
}
EXTERNAL_ORDER = {
    NodeKind.FOUNDER: (
        "clock containerd load-balancer identity preflight kubelet etcd-quorum control-plane"
        " apiserver endpoint node cluster control-plane-done"
    ),
    NodeKind.ETCD_FOUNDER: "clock containerd founder etcd-host etcd-quorum etcd-member",
}


def test_khgen_vip_finds_every_value_that_it_reads() -> None:
    for name in ("stacked", "external-etcd", "dedicated-lb"):
        plan = plan_with_joiner(topology(name))
        read = set(re.findall(r"\$\{?([A-Z][A-Z_]+)\b", verbatim("khgen-vip")))
        for node in plan.load_balancers:
            asks = set() if node.kind is NodeKind.LOAD_BALANCER else {"NODE_URL", "ENDPOINT"}
            values = boot_environment(plan, node, FIXED_NOW)
            assert read - {"NODE_URL", "ENDPOINT"} | asks <= set(values), node.name


@pytest.mark.tools
@pytest.mark.parametrize("arguments", [("--help",), (), ("aply",), ("apply", "now")])
def test_khgen_vip_does_nothing_but_its_commands(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "etc/khgen").mkdir(parents=True)
    (tmp_path / "etc/khgen/node.env").touch()
    require_namespaces()
    mount = f'mount --bind {tmp_path}/etc /etc; exec bash "$@"'
    command = ["unshare", "--mount", "bash", "-c", mount, "-", str(TEMPLATES / "khgen-vip")]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    helped = arguments == ("--help",)
    assert done.returncode == (0 if helped else 2)
    shown, other = (done.stdout, done.stderr) if helped else (done.stderr, done.stdout)
    assert shown.startswith("usage: khgen-vip apply ")
    assert other == ""


def order(plan: Plan, kind: NodeKind) -> str:
    names = (step.name for step in steps_of(plan, kind))
    return " ".join(n for n in names if not n.startswith(("prepare-", "install-")))


def test_boot_order_of_stacked_clusters() -> None:
    plan = plan_with_joiner(topology("stacked"))
    assert {kind: order(plan, kind) for kind in ORDER} == ORDER


def test_boot_order_with_external_etcd() -> None:
    plan = plan_with_joiner(topology("external-etcd"))
    assert {kind: order(plan, kind) for kind in EXTERNAL_ORDER} == EXTERNAL_ORDER


def test_the_image_is_looked_at_first_then_the_clock_is_set_and_waited_for() -> None:
    names = [step.name for step in STEPS]
    assert names[:3] == ["image", "prepare-clock", "clock"]


def test_values_survive_the_shell() -> None:
    plan = plan_with_joiner(topology("stacked"))
    node = plan.control_planes[0]
    values = boot_environment(plan, node, FIXED_NOW)
    assert values["ETCD_URLS"] == "https://10.1.0.2:2379 https://10.1.0.3:2379"
    assert shlex.quote(values["ETCD_URLS"]).startswith("'")
    assert values["NOT_BEFORE"] == "1767225600"


def test_nodes_get_what_their_steps_source() -> None:
    for name in TOPOLOGIES:
        plan = plan_with_joiner(topology(name))
        for kind in {node.kind for node in plan.nodes}:
            files = {str(file.path): file.content for file in boot_files(plan, kind)}
            named = {
                path
                for content in files.values()
                for path in re.findall(r"^ *\. (/etc/khgen/\S+)$", content, re.MULTILINE)
            }
            assert named == {path for path in files if path.endswith(".sh")}, kind


@pytest.mark.parametrize(
    ("found", "ignored"),
    [
        ((), ""),
        (("lost+found",), "DirAvailable-{folder}"),
        (("lost+found", "member"), ""),
    ],
)
@pytest.mark.parametrize("step", ["preflight", "join-control-plane"])
def test_a_disk_of_its_own_is_an_empty_data_directory(
    tmp_path: Path, step: str, found: tuple[str, ...], ignored: str
) -> None:
    """The lines that both steps have before they call kubeadm."""
    folder = tmp_path / "etcd"
    for name in found:
        (folder / name).mkdir(parents=True)
    text = (TEMPLATES / "steps" / f"{step}.sh").read_text(encoding="utf-8")
    lines = re.search(r"^ *\[ \"\$\(ls -A .*\n.*ignored=Dir.*\n", text, re.MULTILINE)
    assert lines is not None
    assert text.count('--ignore-preflight-errors="$ignored"') == 1
    script = f'set -euo pipefail; ETCD_DATA_DIR={folder} ignored=\n{lines[0]}echo "$ignored"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ignored.format(folder=str(folder).replace("/", "-"))
