"""A wrong clock does no lasting harm: future dates are refused, named and corrected."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from support.command import SMALL_SPEC, khgen
from support.rendered_out import manifest_of, node_files

SECRETS = "small.secrets.yaml"
RIGHT = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AHEAD = RIGHT + 1500 * DAY
BEHIND = datetime(2026, 2, 1, tzinfo=UTC)
UNSET = datetime(1970, 1, 2, tzinfo=UTC)
CERTIFICATE = "/etc/kubernetes/pki/apiserver.crt"
AUTHORITY = "/etc/kubernetes/pki/ca.crt"


def run(
    folder: Path, clock: datetime, *words: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """A command on the spec under that clock."""
    epoch = str(int(clock.timestamp()))
    done = khgen(*words, cwd=folder, env={"SOURCE_DATE_EPOCH": epoch})
    assert done.returncode == code, done.stdout + done.stderr
    return done


def render(
    folder: Path, clock: datetime, *more: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    return run(folder, clock, "render", "cluster.yaml", *more, code=code)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the small spec, which was not rendered yet."""
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    return tmp_path


def begin(folder: Path, name: str = CERTIFICATE) -> datetime:
    """When a certificate of the output begins, as openssl reads it."""
    command = ["openssl", "x509", "-noout", "-startdate"]
    certificate = node_files(folder / "out", "cp1")[name]
    done = subprocess.run(command, input=certificate, capture_output=True, check=True)
    text = done.stdout.decode().strip()
    return datetime.strptime(text, "notBefore=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


def verify(folder: Path, clock: datetime) -> None:
    """The chain of an output, at that moment, as openssl checks it."""
    files = node_files(folder / "out", "cp1")
    (folder / "ca.crt").write_bytes(files[AUTHORITY])
    command = ["openssl", "verify", "-attime", str(int(clock.timestamp()))]
    command += ["-CAfile", str(folder / "ca.crt")]
    subprocess.run(command, input=files[CERTIFICATE], capture_output=True, check=True)


def generations(folder: Path) -> dict[str, tuple[int, str]]:
    entries = yaml.safe_load((folder / SECRETS).read_text())["generations"]
    return {name: (entry["number"], entry["renewedAt"]) for name, entry in entries.items()}


def instances(folder: Path) -> dict[str, str]:
    nodes = json.loads((folder / "out/manifest.json").read_text())["nodes"]
    return {name: entry["instanceId"] for name, entry in nodes.items()}


def test_a_renewal_of_the_future_is_named_and_the_next_one_puts_it_right(folder: Path) -> None:
    render(folder, RIGHT)
    first = instances(folder)
    run(folder, AHEAD, "certs", "renew", "cluster.yaml")
    run(folder, AHEAD, "certs", "renew", "cluster.yaml", "--node", "w1")
    for words in (
        ("render", "cluster.yaml"), ("render", "cluster.yaml", "--check"), ("diff", "cluster.yaml"),
    ):  # fmt: skip
        said = run(folder, RIGHT + DAY, *words, code=1).stderr
        assert (
            "error: the certificates of cp1, cp2, cp3 and 1 more are not valid before 2030-07-09, 1,498 days"
            " ahead of this machine's clock\n"
        ) in said
        assert "khgen certs renew SPEC\n" in said
    assert "(begins 2030-07-09)" in run(folder, RIGHT, "certs", "list", "cluster.yaml").stdout
    done = run(folder, RIGHT + 2 * DAY, "certs", "renew", "cluster.yaml")
    assert done.stdout.splitlines() == [
        (
            "an earlier change was dated 2030-07-10, 1,498 days ahead of this machine's clock:"
            " it is put right"
        ),
        (
            f"{SECRETS}: new certificates for every node, dated 2026-06-03;"
            " next: khgen render cluster.yaml"
        ),
    ]
    assert generations(folder) == {
        "*": (2, "2026-06-03T12:00:00Z"),
        "w1": (1, "2026-06-03T12:00:00Z"),
    }
    assert render(folder, RIGHT + 2 * DAY).stderr == ""
    assert begin(folder) == RIGHT + DAY
    verify(folder, RIGHT + 2 * DAY)
    assert all(instances(folder)[name] != first[name] for name in first)


def test_a_replaced_and_a_removed_node_are_dated_right_too(folder: Path) -> None:
    render(folder, RIGHT)
    run(folder, AHEAD, "node", "replace", "cluster.yaml", "w1")
    done = run(folder, RIGHT, "node", "remove", "cluster.yaml", "w1")
    assert (
        "dated 2030-07-10, 1,500 days ahead of this machine's clock: it is put right" in done.stdout
    )
    assert generations(folder) == {"w1": (2, "2026-06-01T12:00:00Z")}
    run(folder, RIGHT, "node", "replace", "cluster.yaml", "w1")
    render(folder, RIGHT)


def test_a_removal_of_the_future_is_dated_right_by_the_next_change(folder: Path) -> None:
    render(folder, RIGHT)
    run(folder, AHEAD, "node", "remove", "cluster.yaml", "w1")
    done = run(folder, RIGHT, "node", "replace", "cluster.yaml", "cp1")
    assert "it is put right" in done.stdout
    document = yaml.safe_load((folder / SECRETS).read_text())
    assert [node["removedAt"] for node in document["removed"]] == ["2026-06-01T12:00:00Z"]


def test_a_first_render_of_the_future_is_named_and_mended_with_the_same_keys(folder: Path) -> None:
    render(folder, AHEAD)
    before = yaml.safe_load((folder / SECRETS).read_text())
    for words in (("render", "cluster.yaml"), ("diff", "cluster.yaml")):
        said = run(folder, RIGHT, *words, code=1).stderr
        assert (
            "the kubernetes CA is not valid before 2030-07-09, 1,499 days ahead of this machine's"
            in said
        )
        assert "khgen certs renew SPEC --clock-is-right" in said
    for change in (
        ("certs", "renew", "cluster.yaml"), ("certs", "renew", "cluster.yaml", "--node", "w1"),
        ("node", "replace", "cluster.yaml", "w1"), ("node", "remove", "cluster.yaml", "w1"),
    ):  # fmt: skip
        said = run(folder, RIGHT, *change, code=1).stderr
        assert "clock shows 2026-06-01, but the cluster's first date is 2030-07-10" in said
    assert yaml.safe_load((folder / SECRETS).read_text()) == before
    done = run(folder, RIGHT, "certs", "renew", "cluster.yaml", "--clock-is-right")
    assert "the CAs began in the future: signed anew by their own keys" in done.stdout
    after = yaml.safe_load((folder / SECRETS).read_text())
    for name, authority in before["authorities"].items():
        assert after["authorities"][name]["key"] == authority["key"]
        assert after["authorities"][name]["certificate"] != authority["certificate"]
    assert (after["seed"], after["serviceAccount"]) == (before["seed"], before["serviceAccount"])
    assert render(folder, RIGHT).stderr == ""
    assert begin(folder, AUTHORITY) == begin(folder) == RIGHT - DAY
    verify(folder, RIGHT)
    # From now on nothing is special: no command wants the flag again.
    run(folder, RIGHT + DAY, "certs", "renew", "cluster.yaml")
    run(folder, RIGHT + DAY, "node", "replace", "cluster.yaml", "w1")
    assert render(folder, RIGHT + DAY).stderr == ""


def test_load_balancers_do_not_wait_for_a_future_that_was_put_right(tmp_path: Path) -> None:
    assert khgen("init", "dedicated-lb", cwd=tmp_path).returncode == 0
    render(tmp_path, AHEAD)
    run(tmp_path, RIGHT, "certs", "renew", "cluster.yaml", "--clock-is-right")
    render(tmp_path, RIGHT)
    wanted = f"NOT_BEFORE={int((RIGHT - DAY).timestamp())}\n"
    for node in manifest_of(tmp_path / "out")["nodes"]:
        assert wanted in node_files(tmp_path / "out", node)["/etc/khgen/node.env"].decode(), node


def test_a_clock_before_the_cluster_changes_nothing(folder: Path) -> None:
    render(folder, RIGHT)
    before = (folder / SECRETS).read_bytes()
    said = run(folder, BEHIND, "certs", "renew", "cluster.yaml", code=1).stderr
    assert "cluster.yaml:1:1: error: this machine's clock shows 2026-02-01, but" in said
    assert "hint: set the clock; if it is right" in said
    assert (folder / SECRETS).read_bytes() == before


@pytest.mark.parametrize(
    "words",
    [
        ("render", "cluster.yaml"), ("render", "cluster.yaml", "--check"),
        ("certs", "renew", "cluster.yaml", "--clock-is-right"),
        ("node", "replace", "cluster.yaml", "w1"), ("node", "remove", "cluster.yaml", "w1"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_clock_that_was_never_set_dates_nothing(folder: Path, words: tuple[str, ...]) -> None:
    if words[0] != "render":
        render(folder, RIGHT)
    before = sorted(folder.iterdir())
    said = run(folder, UNSET, *words, code=1).stderr
    assert "this machine's clock shows 1970-01-02, a date before khgen existed" in said
    assert sorted(folder.iterdir()) == before


def test_clocks_that_differ_by_hours_are_no_matter(folder: Path) -> None:
    render(folder, RIGHT)
    run(folder, RIGHT + timedelta(hours=20), "certs", "renew", "cluster.yaml")
    done = run(folder, RIGHT, "certs", "renew", "cluster.yaml")
    assert "put right" not in done.stdout
    assert generations(folder) == {"*": (2, "2026-06-02T08:00:00Z")}
    assert render(folder, RIGHT).stderr == ""


def test_the_flag_is_for_the_whole_cluster(folder: Path) -> None:
    render(folder, RIGHT)
    words = ("certs", "renew", "cluster.yaml", "--node", "w1", "--clock-is-right")
    assert "leave out --node" in run(folder, RIGHT, *words, code=2).stderr
