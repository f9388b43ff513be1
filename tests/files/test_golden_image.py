"""What a golden image holds, what then travels, and the step that refuses another image."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from khgen.bundle.user_data import files_of_user_data
from khgen.files.boot import STEPS
from khgen.files.golden_image import DIGESTS, IMAGE_STEPS, WANTED, image_payload
from khgen.plan.cluster_plan import NodeKind, Plan
from khgen.render import ClusterRender
from khgen.resources import resource_folder
from support.fixed import fixed_secrets
from support.machine_specs import ETCD_HOSTS, LOAD_BALANCER, ROCKY, machine_plan
from support.programs import SYSTEM_PATH, require_namespaces, require_program

BASE = {"url": "debian-12.qcow2", "checksum": "sha256:" + "0" * 64}
IMAGE = {"base": BASE}
STEP = resource_folder("templates") / "cloud-init" / "steps" / "image.sh"
CONTROL_PLANE_LIMIT, WORKER_LIMIT = 12 * 1024, 5 * 1024


def baked_plan(**fields: object) -> Plan:
    return machine_plan(image=IMAGE, **fields)


def rendered(plan: Plan) -> ClusterRender:
    return ClusterRender(plan, fixed_secrets(plan.spec), {})


def image_root(plan: Plan, root: Path) -> Path:
    """The root directory of a machine that booted the image of this plan."""
    payload = image_payload(plan)
    for file in payload.files:
        path = root / file.path.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content, encoding="utf-8")
    contract = json.dumps(dict(payload.contract), indent=1) + "\n"
    (root / "etc/khgen/image.json").write_text(contract, encoding="utf-8")
    return root


def first_step(plan: Plan, root: Path) -> subprocess.CompletedProcess[str]:
    """The first step of the plan's nodes, on the machine with that root directory."""
    require_namespaces()
    wanted = next(f for f in rendered(plan).node(plan.workers[0]).files if f.path == WANTED)
    (root / "etc/khgen").mkdir(parents=True, exist_ok=True)
    (root / WANTED.relative_to("/")).write_text(wanted.content, encoding="utf-8")
    # The list of digests has absolute paths, so the machine's files are to be where they say.
    for name in ("dev", "bin", "lib", "lib64", "usr/bin", "usr/lib", "usr/lib64"):
        if Path("/", name).exists():
            (root / name).mkdir(parents=True, exist_ok=True)
    mounts = 'for d in dev bin lib lib64 usr/bin usr/lib usr/lib64; do [ ! -e /$d ] || mount --bind /$d "$0/$d"; done; '
    return subprocess.run(
        [
            *(require_program("unshare"), "--mount", require_program("bash"), "-c"),
            f'{mounts} install -m755 {STEP} "$0/step" && exec chroot "$0" /bin/bash /step',
            str(root),
        ],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": SYSTEM_PATH},
    )


@pytest.mark.tools
def test_a_matching_image_passes(tmp_path: Path) -> None:
    plan = baked_plan()
    done = first_step(plan, image_root(plan, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.tools
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"kubernetes": {"version": "1.30.4"}}, "Kubernetes 1.30.4, debian 12 amd64"),
        ({"containerd": {"version": "2.0"}}, "Kubernetes 1.29.6, debian 12 amd64"),
        ({"os": {**ROCKY, "timeSync": {"servers": ["192.168.10.2"]}}}, "rhel 9 amd64"),
    ],
)
def test_a_drifted_image_is_refused_with_both_named(
    tmp_path: Path, other: dict[str, object], said: str
) -> None:
    plan = baked_plan()
    done = first_step(plan, image_root(baked_plan(**other), tmp_path))
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    has, _, wanted = line.partition("; this node wants ")
    assert has.startswith("the image is khgen ")
    assert said in has
    assert wanted.startswith("khgen ")
    assert "Kubernetes 1.29.6, debian 12 amd64, files " in wanted
    assert has.rpartition("files ")[2] != wanted.rpartition("files ")[2]


@pytest.mark.tools
def test_an_image_of_somebody_else_is_refused(tmp_path: Path) -> None:
    done = first_step(baked_plan(), tmp_path)
    assert done.returncode == 1
    assert "the image is not one of khgen; this node wants khgen " in done.stdout


@pytest.mark.tools
def test_a_file_that_was_changed_after_the_bake_is_named(tmp_path: Path) -> None:
    plan = baked_plan()
    root = image_root(plan, tmp_path)
    (root / "etc/containerd/config.toml").write_text("version = 3\n")
    done = first_step(plan, root)
    assert done.returncode == 1
    assert "/etc/containerd/config.toml: FAILED" in done.stdout


@pytest.mark.parametrize("nodes", [(), ETCD_HOSTS, [LOAD_BALANCER]])
def test_user_data_and_image_together_hold_every_file_of_a_node(nodes: list[object]) -> None:
    fields = {"etcd": {"topology": "external"}} if nodes is ETCD_HOSTS else {}
    plain = machine_plan(**fields)
    every = [n.spec.model_dump(mode="json", by_alias=True) for n in plain.nodes] + list(nodes)
    plan = baked_plan(**fields, nodes=every)
    image = {file.path: file for file in image_payload(plan).files}
    for node in plan.nodes:
        render = rendered(plan).node(node)
        data = yaml.safe_load(render.user_data.text)
        travels = {str(file.path) for file in files_of_user_data(render.user_data.delivered)}
        copy, _, start = data["runcmd"][0].partition(") && ")
        assert start.startswith("systemctl enable khgen-"), "not before all are there"
        copied = copy.split()
        for file in render.files:
            if str(file.path) in travels:
                continue
            if file.path.parent == STEPS:
                assert file.path.name in copied
                assert image[IMAGE_STEPS / file.path.name].content == file.content
            else:
                assert image[file.path] == file
        first, *_ = sorted(f.path.name for f in render.files if f.path.parent == STEPS)
        assert first == "00-image"
        assert f"{STEPS}/00-image" in travels


def test_no_image_holds_a_secret_or_what_only_this_cluster_has() -> None:
    plan = baked_plan()
    render = rendered(plan)
    texts = "".join(file.content for file in image_payload(plan).files)
    for node in plan.nodes:
        assert str(node.address) not in texts
        private = [file for file in render.node(node).files if file.mode & 0o077 == 0]
        assert private
        assert not {file.path for file in private} & {f.path for f in image_payload(plan).files}


def test_the_nodes_of_the_cluster_do_not_reach_the_image() -> None:
    plan = baked_plan()
    fewer = baked_plan(nodes=[plan.nodes[0].spec.model_dump(mode="json", by_alias=True)])
    assert image_payload(fewer).files == image_payload(plan).files
    assert plan.nodes[0].kind is NodeKind.FOUNDER


def test_the_list_of_digests_is_that_of_all_other_files() -> None:
    *files, digests = image_payload(baked_plan()).files
    assert digests.path == DIGESTS
    listed = [line.split("  ")[1] for line in digests.content.splitlines()[1:]]
    assert listed == sorted(str(file.path) for file in files)


def test_user_data_shrinks_to_its_targets() -> None:
    render = rendered(baked_plan())
    plan = render.plan
    assert all(
        render.node(n).user_data.gzipped_bytes <= CONTROL_PLANE_LIMIT for n in plan.control_planes
    )
    assert all(render.node(n).user_data.gzipped_bytes <= WORKER_LIMIT for n in plan.workers)


def test_the_bake_runs_the_steps_that_a_first_boot_without_image_would_run() -> None:
    payload = image_payload(baked_plan())
    names = [name.partition("-")[2] for name in payload.steps]
    assert names == ["prepare-swap", "prepare-kernel", "install-deb", "install-image", "containerd"]
    packages = payload.environment["PACKAGES"].split()
    assert "kubeadm=1.29.6-*" in packages
    assert {"haproxy", "keepalived"} <= set(packages)
    assert "kubeadm=1.29.6" in payload.environment["PROGRAMS"].split()
    steps = {file.path.name for file in image_payload(baked_plan()).files}
    assert set(payload.steps) <= steps
