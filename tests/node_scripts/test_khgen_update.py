"""khgen-update: which updates a node takes, and which it refuses."""

import functools
import json
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from khgen.render import ClusterUpdates
from support.fixed import FIXED_NOW
from support.programs import require_namespaces, require_program
from support.rendering import example_render
from support.rootfs import one_of_each_kind
from support.updates import KEY, OTHER_KEY, UpdatedMachine, archive, step, update_files

pytestmark = pytest.mark.tools
FIRST = {"/etc/khgen/steps.d/10-a": step("true"), "/etc/motd": (0o644, "first")}
NEW = {**FIRST, "/etc/motd": (0o644, "new")}
ROLL = "/usr/local/sbin/khgen-roll"
STATE = "/var/lib/khgen/update"
RESTART = "--no-block restart khgen-roll"
Files = dict[str, bytes]


@pytest.fixture
def machine(tmp_path: Path) -> UpdatedMachine:
    """A load balancer, which needs no other node."""
    require_namespaces()
    require_program("openssl")
    machine = UpdatedMachine(tmp_path, "lb1", "load-balancer")
    machine.boots_with(FIRST)
    return machine


@pytest.fixture(params=["first update", "later update"])
def updated(request: pytest.FixtureRequest, machine: UpdatedMachine) -> UpdatedMachine:
    """Without khgen-roll as yet, or with an update in force."""
    if request.param == "later update":
        machine.accepts(machine.update(5, FIRST))
        machine.rolls()
        machine.asked_systemctl()
    return machine


def test_an_update_is_accepted_and_only_then_is_khgen_roll_there(machine: UpdatedMachine) -> None:
    assert not machine.path(ROLL).exists()
    machine.accepts(machine.update(7, NEW))
    assert machine.linked("wanted") == 7
    assert machine.path(ROLL).stat().st_mode & 0o777 == 0o755
    assert machine.asked_systemctl() == ["--quiet enable khgen-keep khgen-roll", RESTART]
    assert machine.path("/etc/motd").read_text() == "first", "files wait for their turn"
    for path in (machine.path(STATE), machine.path(f"{STATE}/wanted").resolve()):
        assert path.stat().st_mode & 0o777 == 0o700


def test_the_same_update_again_is_no_reason_to_do_anything(machine: UpdatedMachine) -> None:
    folder = machine.update(7, NEW)
    machine.accepts(folder)
    machine.asked_systemctl()
    for _ in range(2):
        machine.accepts(folder)
        assert machine.asked_systemctl() == []
        machine.rolls()
        machine.asked_systemctl()
    assert (machine.linked("wanted"), machine.linked("applied")) == (None, 7)


def test_a_newer_one_takes_the_place_of_one_that_waits(machine: UpdatedMachine) -> None:
    machine.accepts(machine.update(7, FIRST))
    machine.accepts(machine.update(8, NEW))
    assert machine.linked("wanted") == 8
    assert RESTART in machine.asked_systemctl()
    machine.rolls()
    assert len([*machine.path(STATE).glob("update-*")]) == 1, "the older one is removed"


def damaged_json(files: Files) -> None:
    files["bundle.json"] = b"{"
    files["bundle.sig"] = KEY.sign(b"{")


def without(name: str, files: Files) -> None:
    del files[name]


def changed(name: str, files: Files) -> None:
    files[name] = archive({"/etc/motd": (0o644, "another")})


def too_large(name: str, files: Files) -> None:
    files[name] = bytes(2**23 + 1)


def signed_anew(files: Files, about: Callable[[dict[str, object]], object]) -> None:
    new = json.loads(files["bundle.json"])
    about(new)
    files["bundle.json"] = json.dumps(new).encode()
    files["bundle.sig"] = KEY.sign(files["bundle.json"])


def with_fields(files: Files, **fields: object) -> None:
    signed_anew(files, lambda new: new.update(fields))


def without_field(name: str, files: Files) -> None:
    signed_anew(files, lambda new: new.pop(name))


def unsigned_change(files: Files) -> None:
    files["bundle.json"] = files["bundle.json"].replace(b'"kubernetes": "1.29.6"', b'"x": 1')


partial = functools.partial
REFUSED: dict[str, tuple[Callable[[Files], None], str]] = {
    "changed after signing": (unsigned_change, "its signature is not this cluster's"),
    "no signature": (partial(without, "bundle.sig"), "it has no bundle.sig"),
    "no bundle.json": (partial(without, "bundle.json"), "it has no bundle.json"),
    "no archive": (partial(without, "node.tar.xz"), "it has no node.tar.xz"),
    "no kind": (partial(without, "kind.tar.xz"), "it has no kind.tar.xz"),
    "not JSON": (damaged_json, "its bundle.json is damaged: JSONDecodeError"),
    "no generation": (partial(without_field, "generation"), "its bundle.json is damaged: KeyError"),
    "no archives": (partial(without_field, "archives"), "its bundle.json is damaged: KeyError"),
    "generation no number": (partial(with_fields, generation="9"), "its generation is no number"),
    "other cluster": (
        partial(with_fields, cluster="test"),
        "it is of the cluster test, this is prod",
    ),
    "other node": (partial(with_fields, node="lb2"), "it is of the node lb2, this is lb1"),
    "other machine": (
        partial(with_fields, machine="0"),
        "it is of the machine 0, this is ab12cd34",
    ),
    "other kind": (partial(with_fields, kind="x"), "it is of another khgen"),
    "other version": (partial(with_fields, version=2), "it is of another khgen"),
    "own archive": (partial(changed, "node.tar.xz"), "node.tar.xz is not the one that was signed"),
    "kind's archive": (
        partial(changed, "kind.tar.xz"),
        "kind.tar.xz is not the one that was signed",
    ),
    "large": (partial(too_large, "node.tar.xz"), "node.tar.xz is larger than 8 MiB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_for_this_node_is_refused(updated: UpdatedMachine, case: str) -> None:
    change, reason = REFUSED[case]
    before = updated.linked("applied")
    files = update_files(updated.about(9), updated.whole(NEW))
    change(files)
    refused = updated.refuses(updated.write_update(files))
    first = before is None and case in FIRST_REASONS
    assert refused.startswith(FIRST_REASONS[case] if first else reason)
    assert (updated.linked("wanted"), updated.linked("applied")) == (None, before)
    assert updated.asked_systemctl() == []
    assert updated.path(ROLL).exists() == (before is not None), "nothing of it is installed"
    assert len([*updated.path(STATE).glob("update-*")]) == (before is not None)
    # The next one that is in order is accepted, and nothing more is said of the other one.
    updated.accepts(updated.update(10, NEW))
    assert not updated.path(f"{STATE}/refused").exists()


FIRST_REASONS = {
    "no signature": "its signature is not this cluster's",
    "no bundle.json": "its signature is not this cluster's",
    **dict.fromkeys(("not JSON", "no archives"), "kind.tar.xz is not the one that was signed"),
    "no kind": "kind.tar.xz is not the one that was signed",
}
"""Before there is a khgen-roll, khgen-update itself looks at the signature and at khgen-roll's archive."""


def test_another_clusters_signature_is_refused(updated: UpdatedMachine) -> None:
    files = update_files(updated.about(9), updated.whole(NEW), key=OTHER_KEY)
    assert updated.refuses(updated.write_update(files)) == "its signature is not this cluster's"


def test_what_is_not_newer_is_refused(machine: UpdatedMachine) -> None:
    machine.accepts(machine.update(7, FIRST))
    for _ in range(2):
        older = "its generation 6 is older than 7, which was accepted"
        assert machine.refuses(machine.update(6, NEW)) == older
        other = "generation 7 was accepted with other content"
        assert machine.refuses(machine.update(7, NEW)) == other
        machine.rolls()
    assert machine.linked("applied") == 7


def test_a_full_disk_refuses_nothing_and_leaves_nothing(machine: UpdatedMachine) -> None:
    machine.accepts(machine.update(7, FIRST))
    big = {**NEW, "/etc/big": (0o644, "".join(map(chr, range(32, 127))) * 400)}
    folder = machine.update(8, big)
    with (folder / "kind.tar.xz").open("rb") as file:
        size = len(file.read()) // 1024
    mount = f"mount -t tmpfs -o size={size + 12}k none /var/lib && cp -a $0/. /var/lib && exec $@"
    kept = machine.path("/var/lib")
    full = machine.run("bash", "-c", f"{mount}; ls /var/lib/khgen/update", kept, "true")
    assert full.returncode == 0, full.stderr
    script = f"{mount.removesuffix('exec $@')} $@; echo $?; ls -1 /var/lib/khgen/update"
    done = machine.run("bash", "-c", script, kept, "khgen-update", "apply", folder)
    assert "No space left on device" in done.stderr
    code, *left = done.stdout.splitlines()
    assert code == "1"
    assert len([name for name in left if name.startswith("update-")]) == 1
    assert "refused" not in left


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server's address; it has what is in the folder `web`."""
    (tmp_path / "web").mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    handler = functools.partial(Quiet, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/new"
        server.shutdown()


def test_an_update_comes_from_a_web_server(
    machine: UpdatedMachine, web: str, tmp_path: Path
) -> None:
    machine.update(7, NEW).rename(tmp_path / "web/new")
    machine.accepts(web)
    assert machine.linked("wanted") == 7
    machine.update(8, NEW).rename(tmp_path / "web/newer")
    (tmp_path / "web/newer/bundle.sig").unlink()
    assert machine.refuses(f"{web}er") == "it has no bundle.sig"


def test_khgen_boot_hands_over_to_it(machine: UpdatedMachine) -> None:
    done = machine.run("khgen-boot", "apply", machine.update(7, NEW), "--alone")
    assert done.returncode == 0, done.stderr
    assert machine.path(f"{STATE}/wanted/alone").exists()


def test_alone_counts_also_for_one_that_was_accepted(machine: UpdatedMachine) -> None:
    folder = machine.update(7, NEW)
    machine.accepts(folder)
    machine.asked_systemctl()
    machine.accepts(folder, "--alone")
    assert machine.path(f"{STATE}/wanted/alone").exists()
    assert machine.asked_systemctl() == [RESTART]


def test_anything_else_is_wrong_usage(machine: UpdatedMachine) -> None:
    wrong = ("", "pull x", "apply", "apply x --halp", "apply x --alone y", "x", "--help x")
    for words in wrong:
        done = machine.run("khgen-update", *words.split())
        assert done.returncode == 2, words
        assert done.stdout.startswith("usage: khgen-update pull | apply FOLDER|URL [--alone]")
    assert not machine.path(STATE).exists()


@pytest.mark.parametrize("example", ["external-etcd", "dedicated-lb", "offline-ca"])
def test_a_rendered_update_is_accepted_by_the_machine_it_is_for(
    example: str, tmp_path: Path
) -> None:
    """Each kind of node, with the files of its first boot."""
    require_namespaces()
    render = example_render(example)
    updates = ClusterUpdates(render, {}, FIXED_NOW)
    for node in one_of_each_kind(render):
        rendered = render.node(node)
        machine = UpdatedMachine(tmp_path / node.name, node.name, node.role.value)
        for file in rendered.files:
            machine.place(str(file.path), file.content, file.mode)
        machine.accepts(machine.write_update(updates.bundle(rendered).files))
        assert machine.linked("wanted") == int(FIXED_NOW.timestamp())
        # khgen-roll finds in it what it needs.
        (wanted,) = machine.path(STATE).glob("update-*")
        (wanted.parent / "placing").symlink_to(wanted.name)
        kept = machine.run("khgen-roll", "keep")
        assert kept.returncode == 0, kept.stderr
        living = {str(file.path) for file in rendered.living} - {
            str(f.path) for f in rendered.files
        }
        again = set(kept.stdout.splitlines())
        assert {f"placed again: {path}" for path in living if "khgen-" not in path} <= again
        for file in rendered.living:
            assert machine.path(str(file.path)).read_text() == file.content
