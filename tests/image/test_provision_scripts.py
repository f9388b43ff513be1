"""The scripts of a bake, run on a root directory of Debian; systemd and containerd do not run there."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from khgen.bake.image_build import Bake, prepare
from khgen.bake.packer import Builder, Hypervisor, Packer
from khgen.bake.work_folder import private_folders
from khgen.facts.version import Version
from khgen.files.golden_image import image_payload
from khgen.rehearse.cached_images import rootfs
from khgen.resources import resource_folder
from support.programs import require_namespaces, require_program, run
from support.rendering import plan_of, spec_of

pytestmark = pytest.mark.boot

PROVISION = resource_folder("packer") / "provision"
MOUNTED = """
set -e
cd {folder}
mkdir -p upper work root
mount -t overlay overlay -o lowerdir={lower},upperdir=upper,workdir=work root
mount --rbind /proc root/proc
mount --bind /dev/null root/dev/null
{script}
"""
IDENTITIES = """
echo 0123456789abcdef0123456789abcdef >/etc/machine-id
echo baked >/etc/hostname
mkdir -p /root/.ssh /var/lib/systemd /var/lib/dhcp /etc/netplan /etc/iscsi /var/log/journal/0123
for file in /root/.ssh/authorized_keys /root/.bash_history /var/lib/systemd/random-seed \
  /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key.pub /var/lib/dhcp/lease \
  /etc/netplan/50-cloud-init.yaml /etc/netplan/90-mine.yaml /var/log/syslog /var/log/syslog.1 \
  /var/log/journal/0123/system.journal /etc/iscsi/initiatorname.iscsi /var/lib/cloud/seed/x \
  /var/lib/cloud/instance/boot-finished /var/tmp/khgen-bake/key; do
  mkdir -p "${file%/*}"
  echo something >"$file"
done
"""

Inside = Callable[[str], CompletedProcess[str]]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder whose `upper` holds what has changed on the machine."""
    require_namespaces()
    require_program("mmdebstrap")
    return tmp_path


@pytest.fixture
def inside(machine: Path) -> Inside:
    """Runs a script on the machine; what it changes stays for the next."""

    def inside(script: str) -> CompletedProcess[str]:
        command = f"exec chroot root bash -c {shlex.quote(script)}"
        text = MOUNTED.format(folder=machine, lower=rootfs(), script=command)
        return run(["unshare", "--mount", "bash", "-c", text], seconds=300)

    return inside


def provision(machine: Path, inside: Inside, name: str) -> CompletedProcess[str]:
    """Run one of the scripts as Packer does: uploaded first."""
    place = machine / "upper" / "tmp"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(PROVISION / f"{name}.sh", place)
    return inside(f"exec bash /tmp/{name}.sh")


def upload(machine: Path, spec: Path) -> Bake:
    """Put the payload of a spec where Packer puts it."""
    parsed = spec_of(spec.read_text())
    assert parsed.image is not None
    plan = plan_of(parsed)
    bake = Bake(
        plan=plan,
        image=parsed.image,
        folder=spec.parent,
        payload=image_payload(plan),
        builder=Builder.QEMU,
        accelerator=None,
        settings=(),
        cache=spec.parent,
    )
    target = machine / "upper/var/tmp/khgen-payload.tar"
    target.parent.mkdir(parents=True)
    with private_folders(None) as work:
        packer = Packer(program="packer", version=Version((1, 6, 6)), environment={})
        prepare(bake, work, packer, Hypervisor())
        shutil.copy(work.payload, target)
    return bake


def succeeded(done: CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_unpack_puts_every_file_in_its_place(machine: Path, inside: Inside, spec: Path) -> None:
    before = succeeded(inside("stat -c '%a %n' / /etc /usr /usr/local/sbin"))
    bake = upload(machine, spec)
    said = succeeded(provision(machine, inside, "unpack"))
    assert said == f"unpacked {len(bake.payload.files) - 1} files\n"
    succeeded(inside("cd / && sha256sum -c --quiet /etc/khgen/image.sha256"))
    assert succeeded(inside("stat -c '%a %n' / /etc /usr /usr/local/sbin")) == before
    modes = succeeded(inside("stat -c %a:%U /usr/local/sbin/khgen-boot /var/tmp/khgen-bake"))
    assert modes.split() == ["755:root", "700:root"]
    assert inside("ls /var/tmp/khgen-payload.tar").returncode != 0


def test_steps_run_in_order_with_their_values(machine: Path, inside: Inside) -> None:
    prepare_steps(machine, {"01-one": 'echo "$VALUE" >/var/one', "02-two": "cat /var/one"})
    said = succeeded(provision(machine, inside, "steps"))
    assert said.splitlines()[:3] == [
        "step 01-one: about 01-one",
        "step 02-two: about 02-two",
        "a b",
    ]
    enabled = inside("systemctl is-enabled haproxy keepalived")
    assert enabled.stdout.split() == ["disabled", "disabled"]


def test_a_step_that_fails_ends_the_bake_with_its_name(machine: Path, inside: Inside) -> None:
    prepare_steps(machine, {"01-one": "false", "02-two": "touch /var/two"})
    done = provision(machine, inside, "steps")
    assert done.returncode == 1
    assert "step 01-one failed" in done.stderr.splitlines()
    assert not (machine / "upper/var/two").exists()


def prepare_steps(machine: Path, steps: dict[str, str]) -> None:
    scripts = machine / "upper/usr/share/khgen/steps.d"
    bake = machine / "upper/var/tmp/khgen-bake/bake"
    for folder in (scripts, bake):
        folder.mkdir(parents=True)
    for name, text in steps.items():
        (scripts / name).write_text(f"#!/bin/bash\n#: about {name}\nset -euo pipefail\n{text}\n")
    (bake / "steps").write_text("".join(f"{name}\n" for name in steps))
    (bake / "environment").write_text("VALUE='a b'\n")


def test_preload_pulls_what_no_archive_brought(machine: Path, inside: Inside) -> None:
    bake = machine / "upper/var/tmp/khgen-bake/bake"
    programs = machine / "upper/usr/local/bin"
    for folder in (bake / "archives", programs):
        folder.mkdir(parents=True)
    (bake / "archives/00-a.tar").write_text("")
    (bake / "images").write_text("reg/pause:3.9\nreg/calico:v1\n")
    (bake / "kubeadm").write_text("--kubernetes-version=v1.29.6\n--image-repository=reg\n")
    stand_in(programs / "kubeadm", '[ "$*" = "config images list --kubernetes-version=v1.29.6'
             ' --image-repository=reg" ] && printf "reg/pause:3.9\\nreg/etcd:3\\n"')  # fmt: skip
    stand_in(programs / "ctr", 'printf "%s\\n" "$*" >>/calls; [ "$5" != -q ] || echo reg/pause:3.9')
    said = succeeded(provision(machine, inside, "preload"))
    assert said.splitlines() == [
        "importing 00-a.tar",
        "pulling reg/calico:v1",
        "pulling reg/etcd:3",
    ]
    hosts = "--hosts-dir /etc/containerd/certs.d"
    assert (machine / "upper/calls").read_text().splitlines() == [
        "-n k8s.io images import /var/tmp/khgen-bake/bake/archives/00-a.tar",
        "-n k8s.io images ls -q",
        f"-n k8s.io images pull {hosts} reg/calico:v1",
        f"-n k8s.io images pull {hosts} reg/etcd:3",
        "-n k8s.io images ls -q",
        "-n k8s.io images label reg/pause:3.9 io.cri-containerd.pinned=pinned",
    ]


def stand_in(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def test_record_lists_what_is_installed(machine: Path, inside: Inside, spec: Path) -> None:
    bake = upload(machine, spec)
    succeeded(provision(machine, inside, "unpack"))
    succeeded(inside("mkdir -p /lib/modules/6.1.0-1-cloud"))
    recorded = json.loads(succeeded(provision(machine, inside, "record")))
    found = recorded.pop("found")
    assert recorded == bake.payload.contract
    assert found["os"]["id"] == "debian"
    assert found["kernels"] == ["6.1.0-1-cloud"]
    programs = found["programs"]
    assert {"containerd", "haproxy", "keepalived", "runc", "cni-plugins"} <= programs.keys()
    assert "kubeadm" not in programs
    for name in ("containerd", "haproxy", "keepalived", "runc"):
        assert programs[name][0].isdecimal(), programs
    about = succeeded(inside(r"""sed -n 's/.*"about": "\(.*\)".*/\1/p' /etc/khgen/image.json"""))
    assert about.strip() == bake.payload.contract["about"]


def test_clean_leaves_nothing_of_this_one_machine(machine: Path, inside: Inside) -> None:
    succeeded(inside(IDENTITIES))
    succeeded(provision(machine, inside, "clean"))
    kept = "/etc/hostname /etc/machine-id /var/log/syslog"
    assert succeeded(inside(f"cat {kept} && ls {kept}")).split() == kept.split()
    left = inside(
        "shopt -s nullglob; echo /root/.ssh/* /root/.bash_history* /var/lib/systemd/random-seed* "
        "/etc/ssh/ssh_host_* /var/lib/dhcp/* /etc/netplan/* /var/log/syslog.1* /var/tmp/* "
        "/var/log/journal/* /var/lib/cloud/seed/* /var/lib/cloud/instance* /var/lib/apt/lists/*"
    )
    assert succeeded(left).split() == ["/etc/netplan/90-mine.yaml"]
    assert succeeded(inside("cat /etc/iscsi/initiatorname.iscsi")) == "GenerateName=yes\n"


def test_wait_prints_the_status_of_a_failed_cloud_init(machine: Path, inside: Inside) -> None:
    programs = machine / "upper/usr/local/bin"
    programs.mkdir(parents=True)
    for code, reported in ((0, False), (1, True), (2, True)):
        stand_in(programs / "cloud-init", f"echo status of {code}; exit {code}")
        done = provision(machine, inside, "wait")
        assert done.returncode == 0
        assert (f"status of {code}" in done.stderr) is reported
