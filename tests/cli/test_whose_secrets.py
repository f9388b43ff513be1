"""Which secrets file a spec has: through links and pipes, and beside another spec of its name."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from khgen.disk.spec_file import text_files
from khgen.spec.load import load_spec
from support.command import SMALL_SPEC, khgen
from support.rendered_out import timeless, tree
from support.rendering import EXAMPLES, ROOT
from support.sealing import reseal

SECRETS = "small.secrets.yaml"
WITH_MANIFEST = SMALL_SPEC.replace(
    f'{{url: "https://example.com/calico.yaml", sha256: "{0:064d}"}}', "{path: calico.yaml}"
)
CALICO = "apiVersion: v1\nkind: Namespace\nmetadata: {name: calico}\n"


def khgen_from(source: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """One run of khgen with a shell's here-string, process substitution or pipe around it."""
    script = f"{sys.executable} -m khgen {' '.join(arguments)}"
    return subprocess.run(
        ["bash", "-c", script, "bash", str(source)],
        cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(SMALL_SPEC)
    return path


def render(folder: Path, spec: str = "cluster.yaml", *more: str) -> None:
    done = khgen("render", spec, *more, cwd=folder)
    assert done.returncode == 0, done.stderr


def recorded(folder: Path) -> str | None:
    document = yaml.safe_load((folder / SECRETS).read_text())
    return document.get("spec") if isinstance(document, dict) else None


def second(folder: Path, name: str = "staging.yaml") -> None:
    (folder / name).write_text((folder / "cluster.yaml").read_text())


# A spec of the same name beside it


@pytest.mark.parametrize(
    "arguments",
    [
        ("render", "staging.yaml", "-o", "two"), ("render", "staging.yaml", "--check"),
        ("certs", "renew", "staging.yaml"), ("node", "replace", "staging.yaml", "cp1"),
        ("node", "remove", "staging.yaml", "cp1"),
        ("secrets", "refound", "staging.yaml", "--no-machine-has-booted"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_two_specs_of_one_name_share_no_secrets(spec: Path, arguments: tuple[str, ...]) -> None:
    folder = spec.parent
    render(folder)
    second(folder)
    before = tree(folder)
    done = khgen(*arguments, cwd=folder)
    assert done.returncode == 1
    assert f"staging.yaml:3:18: error: {SECRETS} belongs to cluster.yaml, which" in done.stderr
    assert f"if both describe one cluster, add --secrets {SECRETS}" in done.stderr
    assert tree(folder) == before


def test_the_hint_of_two_specs_works(spec: Path) -> None:
    folder = spec.parent
    render(folder)
    second(folder)
    render(folder, "staging.yaml", "--secrets", SECRETS)
    assert recorded(folder) == "cluster.yaml", "what is named has no owner"
    (folder / "staging.yaml").write_text(SMALL_SPEC.replace("name: small", "name: staging"))
    render(folder, "staging.yaml", "-o", "two")
    spec.unlink()
    render(folder, "staging.yaml", "-o", "two")


def test_a_trial_copy_is_compared_with_a_warning(spec: Path) -> None:
    folder = spec.parent
    render(folder)
    second(folder, "cluster-new.yaml")
    done = khgen("diff", "cluster-new.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"warning: {SECRETS} belongs to cluster.yaml" in done.stderr


def test_a_renamed_spec_is_recorded_anew(spec: Path) -> None:
    folder = spec.parent
    render(folder)
    assert recorded(folder) == "cluster.yaml"
    spec.rename(folder / "prod.yaml")
    render(folder, "prod.yaml")
    assert recorded(folder) == "prod.yaml"


@pytest.mark.parametrize(("left", "code"), [("a: [", 1), ("a: 1", 0), ("", 1)])
def test_what_is_left_in_the_recorded_specs_place(spec: Path, left: str, code: int) -> None:
    folder = spec.parent
    render(folder)
    spec.rename(folder / "prod.yaml")
    spec.write_text(left)
    assert khgen("render", "prod.yaml", cwd=folder).returncode == code


def test_secrets_of_before_are_recorded_at_the_next_render(spec: Path) -> None:
    folder = spec.parent
    render(folder)
    whole = (folder / SECRETS).read_text()
    before = whole.replace("spec: cluster.yaml\n", "")
    assert before != whole
    reseal(folder / SECRETS, before)
    render(folder, "cluster.yaml", "--check")
    assert recorded(folder) is None
    render(folder)
    assert (folder / SECRETS).read_text() == whole


@pytest.mark.parametrize("name", ["../cluster.yaml", "..", '"a\\0b"', '""', "[]"])
def test_a_record_that_is_no_file_name_is_damage(spec: Path, name: str) -> None:
    folder = spec.parent
    render(folder)
    text = (folder / SECRETS).read_text()
    (folder / SECRETS).write_text(text.replace("spec: cluster.yaml", f"spec: {name}"))
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 1
    assert f"{SECRETS}:" in done.stderr


# Links


def test_a_spec_through_a_link_has_the_secrets_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "real/cluster.yaml").write_text(WITH_MANIFEST)
    (tmp_path / "real/calico.yaml").write_text(CALICO)
    render(tmp_path / "real")
    (tmp_path / "work/link.yaml").symlink_to("../real/cluster.yaml")
    done = khgen("render", "work/link.yaml", "-o", "work/out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["link.yaml", "out"]
    assert timeless(tree(tmp_path / "work/out")) == timeless(tree(tmp_path / "real/out"))
    assert recorded(tmp_path / "real") == "cluster.yaml"


def test_a_spec_in_a_linked_folder_has_the_same_secrets(spec: Path) -> None:
    folder = spec.parent
    (folder / "real").mkdir()
    spec.rename(folder / "real/cluster.yaml")
    (folder / "link").symlink_to("real")
    render(folder, "link/cluster.yaml")
    render(folder, "real/cluster.yaml", "-o", "two")
    assert timeless(tree(folder / "out")) == timeless(tree(folder / "two"))
    assert (folder / "real" / SECRETS).is_file()


def test_secrets_beside_the_link_are_never_left_for_new_ones(spec: Path) -> None:
    folder = spec.parent
    render(folder)
    shutil.rmtree(folder / "out")
    (folder / "real").mkdir()
    spec.rename(folder / "real/cluster.yaml")
    spec.symlink_to("real/cluster.yaml")
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 2
    assert f"cluster.yaml is a link to {folder}/real/cluster.yaml, beside which" in done.stderr
    assert not (folder / "real" / SECRETS).exists()
    render(folder, "cluster.yaml", "--secrets", SECRETS)
    (folder / SECRETS).rename(folder / "real" / SECRETS)
    render(folder)


# Pipes


@pytest.mark.parametrize("spec_words", ["-", "/dev/stdin", "/proc/self/fd/0"])
@pytest.mark.parametrize("secrets", [None, "-"])
def test_a_piped_spec_wants_its_secrets_named(
    spec: Path, spec_words: str, secrets: str | None
) -> None:
    devices = set(os.listdir("/dev"))  # noqa: PTH208 - names
    more = () if secrets is None else ("--secrets", secrets)
    done = khgen("render", spec_words, *more, cwd=spec.parent, stdin=SMALL_SPEC)
    assert done.returncode == 2
    asked = "name the secrets file with --secrets" if secrets is None else "cannot both come from"
    assert asked in done.stderr
    assert [path.name for path in spec.parent.iterdir()] == ["cluster.yaml"]
    assert set(os.listdir("/dev")) == devices  # noqa: PTH208 - names


@pytest.mark.parametrize(
    "words", ["<(cat $1)", "/dev/fd/3 3< <(cat $1)", "- < <(cat $1)", "/dev/stdin < <(cat $1)"]
)
def test_a_piped_spec_is_rendered_with_secrets_that_are_named(spec: Path, words: str) -> None:
    folder = spec.parent
    spec.write_text(WITH_MANIFEST)
    (folder / "calico.yaml").write_text(CALICO)
    said = khgen_from(spec, "render", words, "--secrets", "s.yaml", cwd=folder)
    assert said.returncode == 0, said.stderr
    names = ["calico.yaml", "cluster.yaml", "out", "s.yaml"]
    assert sorted(path.name for path in folder.iterdir()) == names
    first = tree(folder / "out")
    render(folder, "cluster.yaml", "--secrets", "s.yaml")
    assert tree(folder / "out") == first


def test_a_fifo_is_a_pipe_too(spec: Path) -> None:
    folder = spec.parent
    os.mkfifo(folder / "fifo")
    writing = subprocess.Popen(["bash", "-c", "cat cluster.yaml >fifo"], cwd=folder)
    done = khgen("render", "fifo", cwd=folder)
    writing.wait(60)
    assert done.returncode == 2
    assert "the spec comes from fifo: name the secrets file" in done.stderr


def test_standard_input_that_is_a_file_is_that_file(spec: Path) -> None:
    folder = spec.parent
    done = khgen_from(spec, "render", "/dev/stdin", "<$1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert recorded(folder) == "cluster.yaml"


def test_errors_of_a_piped_spec_have_a_place(tmp_path: Path) -> None:
    done = khgen("render", "-", "--secrets", "s.yaml", cwd=tmp_path, stdin="kind: Clutser\n")
    assert done.returncode == 1
    assert "<stdin>:1:7: error:" in done.stderr


@pytest.mark.parametrize(
    "arguments", [("certs", "renew"), ("node", "replace", "cp1"), ("node", "remove", "cp1")]
)
def test_commands_that_change_the_secrets_need_the_file(
    spec: Path, arguments: Sequence[str]
) -> None:
    render(spec.parent)
    text = (spec.parent / SECRETS).read_text()
    words = (*arguments[:2], "cluster.yaml", *arguments[2:], "--secrets", "-")
    done = khgen(*words, cwd=spec.parent, stdin=text)
    assert done.returncode == 2
    assert "so it needs the file itself" in done.stderr


# init


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which the examples were rendered."""
    folder = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", "tests", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=ignored)
    return folder


def test_init_copies_what_belongs_to_the_example_alone(checkout: Path, tmp_path: Path) -> None:
    source = {"PYTHONPATH": str(checkout / "generator")}
    example = checkout / "examples" / "air-gap"
    render(example, "cluster.yaml", "--node", "cp0")
    for name in ("notes.txt", "other.secrets.yaml", "id_rsa"):
        (example / name).write_text("mine")
    work = tmp_path / "work"
    work.mkdir()
    done = khgen("init", "air-gap", cwd=work, env=source)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in work.iterdir()) == ["cluster.yaml", "network-policy.yaml"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_its_spec_and_the_files_beside_it_that_it_names(example: str) -> None:
    folder = ROOT / "examples" / example
    spec = load_spec((folder / "cluster.yaml").read_text(), "cluster.yaml").spec
    assert spec is not None
    for name in text_files(spec):
        assert Path(name).name == name
        assert (folder / name).is_file()
        assert not name.endswith("secrets.yaml")
