"""khgen-boot's stamps: which steps run again at the boot after a new seed, and what it lists."""

import json

import pytest

from support.boot_machine import Machine

pytestmark = pytest.mark.tools
KUBEADM = "/etc/khgen/kubeadm.yaml"
HAPROXY = "/etc/khgen/haproxy.cfg"
ONCE = f"#once: {KUBEADM} kubeadm init phase kubelet-start"


def boot(machine: Machine) -> str:
    done = machine.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    return done.stdout


def not_in_force(machine: Machine) -> object:
    return json.loads(machine.run("status", "--json").stdout)["notInForce"]


def test_a_step_runs_again_when_a_file_that_it_looks_after_is_another_one(
    machine: Machine,
) -> None:
    machine.place(HAPROXY, "one\n")
    machine.step("1-a", 'echo a >>"$LOG"', "#files: /etc/khgen/other")
    machine.step("2-b", 'cat /etc/khgen/haproxy.cfg >>"$LOG"', f"#files: /etc/x/* {HAPROXY}")
    boot(machine)
    boot(machine)
    assert machine.logged() == ["a", "one"]
    machine.place(HAPROXY, "two\n")
    boot(machine)
    assert machine.logged() == ["a", "one", "two"]


@pytest.mark.parametrize("change", ["comes", "goes"])
def test_a_file_of_a_pattern_that_comes_or_goes_is_a_change(machine: Machine, change: str) -> None:
    machine.step("1-a", 'echo a >>"$LOG"', "#files: /etc/systemd/system/x.service.d/*")
    one = machine.place("/etc/systemd/system/x.service.d/1.conf", "one\n")
    boot(machine)
    if change == "goes":
        one.unlink()
    else:
        machine.place("/etc/systemd/system/x.service.d/2.conf", "two\n")
    boot(machine)
    boot(machine)
    assert machine.logged() == ["a", "a"]


def test_a_value_that_the_step_does_not_name_is_no_reason(machine: Machine) -> None:
    machine.set_values(NOT_BEFORE="1", NAME="one")
    machine.step("1-a", 'echo "$NAME" >>"$LOG"')
    boot(machine)
    machine.set_values(NOT_BEFORE="2", NAME="one")
    boot(machine)
    assert machine.logged() == ["one"]
    machine.set_values(NOT_BEFORE="2", NAME="two")
    boot(machine)
    assert machine.logged() == ["one", "two"]


def test_a_step_keeps_its_stamp_under_another_number(machine: Machine) -> None:
    machine.step("1-a", 'echo a >>"$LOG"')
    boot(machine)
    (machine.steps / "1-a").rename(machine.steps / "7-a")
    machine.has_steps("7-a")
    boot(machine)
    assert machine.logged() == ["a"]


def test_steps_that_are_not_the_nodes_own_are_left_alone(machine: Machine) -> None:
    machine.step("1-founder", 'echo founder >>"$LOG"')
    machine.step("2-joiner", 'echo joiner >>"$LOG"')
    machine.has_steps("2-joiner")
    boot(machine)
    assert machine.logged() == ["joiner"]


def test_another_machine_in_the_nodes_place_has_done_nothing(machine: Machine) -> None:
    machine.set_values(MACHINE="1")
    machine.step("1-a", 'echo a >>"$LOG"')
    boot(machine)
    boot(machine)
    assert machine.logged() == ["a"]
    machine.set_values(MACHINE="2")
    boot(machine)
    boot(machine)
    assert machine.logged() == ["a", "a"]


def test_a_stamp_without_seconds_is_a_stamp(machine: Machine) -> None:
    machine.step("1-a", 'echo a >>"$LOG"')
    boot(machine)
    stamp = machine.root / "var/lib/khgen/a"
    digest, seconds = stamp.read_text().splitlines()[0].split("  - ")
    assert seconds.isdecimal()
    stamp.write_text(f"{digest}  -\n")  # as an earlier khgen left it
    boot(machine)
    assert machine.logged() == ["a"]
    assert "1-a" in machine.run("status").stdout


@pytest.fixture
def founded(machine: Machine) -> Machine:
    """A machine that has used a file once, in two steps."""
    machine.place(KUBEADM, "maxPods: 110\n")
    machine.place("/etc/khgen/manifests/1.yaml", "one\n")
    machine.step("1-kubelet", 'echo kubelet >>"$LOG"', ONCE)
    machine.step(
        "2-cluster",
        'echo cluster >>"$LOG"',
        f"#once: {KUBEADM} kubeadm init phase upload-config all",
        "#once: /etc/khgen/manifests/* kubectl apply -f",
    )
    assert boot(machine).endswith("\nall done\n")
    return machine


def test_a_changed_file_that_was_used_once_is_listed_and_no_step_runs(
    founded: Machine,
) -> None:
    assert not_in_force(founded) == []
    founded.place(KUBEADM, "maxPods: 250\n")
    listed = f"{KUBEADM}: kubeadm init phase kubelet-start; kubeadm init phase upload-config all"
    for _ in range(2):  # and at each boot from now on
        said = boot(founded)
        assert said == (f"all done, but not all that was placed is in force:\n  {listed}\n")
        assert not_in_force(founded) == [listed]
        status = founded.run("status")
        assert status.returncode == 0
        assert f'not in force: "{listed}"' in status.stdout
    assert founded.logged() == ["kubelet", "cluster"]


def test_the_list_ends_when_the_file_is_again_what_is_in_force(founded: Machine) -> None:
    founded.place(KUBEADM, "maxPods: 250\n")
    assert boot(founded) != "all done\n"
    founded.place(KUBEADM, "maxPods: 110\n")
    assert boot(founded) == "all done\n"
    assert not_in_force(founded) == []


def test_a_file_that_was_not_there_is_listed(founded: Machine) -> None:
    founded.place("/etc/khgen/manifests/2.yaml", "two\n")
    assert boot(founded).endswith("  /etc/khgen/manifests/2.yaml: kubectl apply -f\n")


def test_a_new_version_of_the_step_runs_and_hides_nothing(founded: Machine) -> None:
    founded.place(KUBEADM, "maxPods: 250\n")
    founded.step("1-kubelet", 'echo "kubelet anew" >>"$LOG"', ONCE)
    assert f"{KUBEADM}: kubeadm init phase kubelet-start; " in boot(founded)
    assert founded.logged() == ["kubelet", "cluster", "kubelet anew"]


def test_the_operator_says_what_was_brought_into_force_by_hand(founded: Machine) -> None:
    founded.place(KUBEADM, "maxPods: 250\n")
    boot(founded)
    said = founded.run("applied")
    assert (said.returncode, said.stdout) == (0, "all done\n")
    assert not_in_force(founded) == []
    assert boot(founded) == "all done\n"
    founded.place(KUBEADM, "maxPods: 251\n")
    assert boot(founded) != "all done\n"
    assert founded.logged() == ["kubelet", "cluster"]


def test_nothing_is_taken_as_applied_before_all_is_done(machine: Machine) -> None:
    machine.place(KUBEADM, "maxPods: 110\n")
    machine.step("1-kubelet", "true", ONCE)
    done = machine.run("applied")
    assert done.returncode == 1
    assert "not all is done" in done.stderr


def test_stamps_of_an_earlier_khgen_do_not_say_what_was_used(machine: Machine) -> None:
    machine.place(KUBEADM, "maxPods: 110\n")
    machine.place(HAPROXY, "one\n")
    machine.step("1-a", 'echo a >>"$LOG"', f"#files: {HAPROXY}")
    machine.step("2-kubelet", 'echo kubelet >>"$LOG"', ONCE)
    for name in ("1-a", "2-kubelet"):
        machine.place(f"/var/lib/khgen/{name}", f"{64 * '0'}  /etc/khgen/node.env\n")
    for _ in range(2):
        said = boot(machine)
        assert said.endswith(f"  {KUBEADM}: kubeadm init phase kubelet-start\n")
    assert machine.logged() == ["a", "kubelet"], "idempotent steps run once more"
