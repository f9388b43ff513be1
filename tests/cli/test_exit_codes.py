"""How khgen ends: every exit code in one place of the docs, and as JSON where a command has it."""

import json
import re
import sys
from pathlib import Path

import pytest

from khgen.cli.outcome import Exit, run_of
from khgen.pki.lifetime import OLDEST_CLOCK
from support.command import SMALL_SPEC, khgen, python
from support.rendering import ROOT

PAGE = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
RESULT_KEYS = {"exitCode", "written", "wrote", "problems"}
PROBLEM_KEYS = {"severity", "message", "hint", "file", "line", "column", "path"}
COMMANDS_WITH_JSON = (
    ("render", "cluster.yaml"),
    ("diff", "cluster.yaml"),
    ("image", "build", "cluster.yaml"),
    ("image", "list", "images"),
)
ANY_COMMAND = pytest.mark.parametrize("command", COMMANDS_WITH_JSON, ids=" ".join)
AS_JSON = ("--format", "json")
WITH_A_DEFECT = """\
import sys, click
def defect(self, ctx):
    raise ZeroDivisionError
click.Command.invoke = defect
from khgen.cli import main
main()
"""
FULL = Path("/dev/full")
NEEDS_A_FULL_DISK = pytest.mark.skipif(not FULL.exists(), reason="/dev/full is Linux's")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    return tmp_path


def read(stdout: str, code: Exit) -> tuple[dict[str, object], dict[str, object]]:
    """The one JSON object on standard output, and its only problem."""
    said = json.loads(stdout)
    assert said.keys() >= RESULT_KEYS
    assert said["exitCode"] == code
    (problem,) = [p for p in said["problems"] if p["severity"] == "error"]
    assert problem.keys() == PROBLEM_KEYS
    assert problem["message"]
    return said, problem


def test_the_docs_list_every_exit_code_once() -> None:
    table = PAGE.partition("## Exit codes")[2].partition("## JSON")[0]
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert codes == sorted(Exit)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_no_other_page_lists_exit_codes(page: Path) -> None:
    if page.name != "commands.md":
        listed = re.findall(r"exit codes?:? `?\d", page.read_text(encoding="utf-8"), re.IGNORECASE)
        assert listed == []


def test_the_docs_name_every_command_with_json() -> None:
    for command in ("render", "diff", "status", "image build", "image list"):
        assert f"`khgen {command}`" in PAGE.partition("## JSON")[2]
        assert f"| `{command}` |" in PAGE


@pytest.mark.parametrize(
    ("arguments", "as_json"),
    [
        (("--format", "json"), True),
        (("--format=json",), True),
        (("--format=text", "--format", "json"), True),
        (("--format", "json", "--format", "text"), False),
        (("--format",), False),
        (("--", "--format", "json"), False),
        ((), False),
    ],
)
def test_the_form_of_a_run(arguments: tuple[str, ...], *, as_json: bool) -> None:
    assert run_of(arguments).as_json is as_json


@ANY_COMMAND
@pytest.mark.parametrize("wrong", [("--nonsense",), ("too", "many")], ids=" ".join)
def test_wrong_usage_as_json(
    command: tuple[str, ...], wrong: tuple[str, ...], tmp_path: Path
) -> None:
    done = khgen(*command, *wrong, *AS_JSON, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (Exit.USAGE, "")
    said, problem = read(done.stdout, Exit.USAGE)
    assert said["written"] is False
    assert problem["hint"].startswith("try ")  # type: ignore[attr-defined]


@ANY_COMMAND
def test_a_file_that_cannot_be_read_as_json(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file, not a folder")
    done = khgen(*command, *AS_JSON, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (Exit.FILES, "")
    said, problem = read(done.stdout, Exit.FILES)
    assert said["wrote"] == []
    assert problem["file"] == command[-1]


@ANY_COMMAND
def test_a_defect_as_json(command: tuple[str, ...], tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path)}
    done = python("-c", WITH_A_DEFECT, *command, *AS_JSON, cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (Exit.DEFECT, "")
    _, problem = read(done.stdout, Exit.DEFECT)
    assert "a defect in khgen, not in your files: ZeroDivisionError" in str(problem["message"])
    (report,) = tmp_path.glob("khgen-defect-*.txt")
    assert str(report) in str(problem["hint"])
    assert "ZeroDivisionError" in report.read_text()


@pytest.mark.parametrize("command", COMMANDS_WITH_JSON[:3], ids=" ".join)
def test_errors_of_the_spec_as_json(command: tuple[str, ...], folder: Path) -> None:
    (folder / "cluster.yaml").write_text(SMALL_SPEC.replace("role: worker", "role: wroker"))
    done = khgen(*command, *AS_JSON, cwd=folder)
    assert (done.returncode, done.stderr) == (Exit.PROBLEMS, "")
    said, problem = read(done.stdout, Exit.PROBLEMS)
    assert (said["written"], problem["line"], problem["path"]) == (False, 13, "nodes[3].role")


def test_a_damaged_output_of_diff_as_json(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/manifest.json").write_text("{")
    done = khgen("diff", "cluster.yaml", *AS_JSON, cwd=folder)
    assert (done.returncode, done.stderr) == (Exit.PROBLEMS, "")
    assert read(done.stdout, Exit.PROBLEMS)[1]["file"] == "out/manifest.json"


def test_a_program_that_is_not_there_as_json(folder: Path) -> None:
    base = f"{{url: 'https://example.com/i.qcow2', checksum: 'sha256:{0:064d}'}}"
    image = f"image: {{base: {base}}}\n"
    (folder / "cluster.yaml").write_text(SMALL_SPEC + image)
    (folder / "bin").mkdir()
    env = {"PATH": str(folder / "bin"), "XDG_CACHE_HOME": str(folder / "cache")}
    done = khgen("image", "build", "cluster.yaml", *AS_JSON, cwd=folder, env=env)
    assert (done.returncode, done.stderr) == (Exit.PROGRAM, "")
    said, problem = read(done.stdout, Exit.PROGRAM)
    assert said["written"] is False
    assert problem["hint"]


def test_a_render_reports_what_it_wrote_as_json(folder: Path) -> None:
    secrets = "small.secrets.yaml"
    render = ("render", "cluster.yaml", *AS_JSON)
    first, check, again = (
        json.loads(khgen(*render, *more, cwd=folder).stdout) for more in ((), ("--check",), ())
    )
    assert (first["written"], first["wrote"]) == (True, [secrets, "out"])
    assert (check["written"], check["wrote"]) == (False, [])
    assert (again["written"], again["wrote"]) == (True, ["out"])
    spec = SMALL_SPEC + "kubernetes: {version: 1.29.9}\n"
    (folder / "cluster.yaml").write_text(spec)
    newer = json.loads(khgen(*render, cwd=folder).stdout)
    assert newer["wrote"] == ["out", secrets]
    assert (newer["exitCode"], newer["problems"][0]["severity"]) == (0, "warning")


def test_a_render_that_extends_the_secrets_file_reports_it(folder: Path) -> None:
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    assert "extended" not in khgen("render", "cluster.yaml", cwd=folder).stdout
    (folder / "cluster.yaml").write_text(SMALL_SPEC + "kubernetes: {version: 1.29.9}\n")
    said = khgen("render", "cluster.yaml", cwd=folder).stdout.splitlines()
    assert said[-1].startswith("extended small.secrets.yaml: it records the identity and version")


@NEEDS_A_FULL_DISK
@pytest.mark.parametrize("form", [(), AS_JSON])
def test_an_error_after_the_work_names_what_was_written(
    folder: Path, form: tuple[str, ...]
) -> None:
    with FULL.open("w") as full:
        done = khgen("render", "cluster.yaml", *form, cwd=folder, stdout=full)
    assert done.returncode == Exit.FILES
    assert "nothing was written" not in done.stderr
    said = done.stderr.splitlines()
    assert "  written before that: small.secrets.yaml, out" in said
    assert any("No space left on device" in line for line in said)
    assert (folder / "small.secrets.yaml").exists()


def test_a_missing_folder_for_the_secrets_file_is_found_before_the_work(folder: Path) -> None:
    done = khgen("render", "cluster.yaml", "--secrets", "safe/s.yaml", cwd=folder)
    assert done.returncode == Exit.FILES
    assert "khgen: error: safe/s.yaml: there is no folder to create" in done.stderr
    assert "  hint: mkdir -p safe, or name another" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["cluster.yaml"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(("rendr",), "render"), (("secrets", "refond"), "refound"), (("image", "biuld"), "build")],
)
def test_a_mistyped_command_names_the_close_one(
    typed: tuple[str, ...], meant: str, tmp_path: Path
) -> None:
    done = khgen(*typed, cwd=tmp_path)
    assert done.returncode == Exit.USAGE
    assert f"Did you mean '{meant}'?" in done.stderr


def test_a_spec_that_is_not_there(tmp_path: Path) -> None:
    done = khgen("render", "clutser.yaml", cwd=tmp_path)
    assert done.returncode == Exit.FILES
    assert done.stderr == (
        "khgen: error: clutser.yaml: there is no such file\n"
        "  hint: khgen init writes a commented cluster.yaml to start from\n"
    )
    done = khgen("render", tmp_path, cwd=tmp_path)
    assert done.returncode == Exit.FILES
    assert f"hint: name the file in it, like {tmp_path / 'cluster.yaml'}" in done.stderr


def test_an_unknown_node_of_any_command_names_the_close_one(folder: Path) -> None:
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    for arguments in (
        ("render", "cluster.yaml", "--node", "cp11"),
        ("diff", "cluster.yaml", "--node", "cp11"),
        ("certs", "renew", "cluster.yaml", "--node", "cp11"),
        ("node", "replace", "cluster.yaml", "cp11"),
        ("seed", "out", "--node", "cp11"),
        ("rehearse", "cluster.yaml", "--node", "cp11"),
    ):
        done = khgen(*arguments, cwd=folder)
        assert (done.returncode, done.stdout) == (Exit.USAGE, ""), arguments
        assert "no node 'cp11' in " in done.stderr, arguments
        assert "did you mean 'cp1'?" in done.stderr, arguments


@pytest.mark.parametrize(
    "epoch",
    ["", " 1", "1 ", "-1", "1e3", "1_000", "²", "١٢", "250246627200", "9" * 31, "9" * 5000],
)  # fmt: skip
def test_a_source_date_epoch_that_is_none_is_wrong_usage(folder: Path, epoch: str) -> None:
    done = khgen("render", "cluster.yaml", "--check", cwd=folder, env={"SOURCE_DATE_EPOCH": epoch})
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert "not a number of seconds since 1970 from 0 to 250246627199" in done.stderr
    assert max(map(len, done.stderr.splitlines())) < 200


FIRST_EPOCH = int(OLDEST_CLOCK.timestamp())


@pytest.mark.parametrize("epoch", [f"{FIRST_EPOCH}", f"0{FIRST_EPOCH}", "250246627199"])
@pytest.mark.parametrize("pki", ["{}", "{backdate: 10y, caValidity: 100y}"])
def test_a_source_date_epoch_at_the_edge_renders(folder: Path, epoch: str, pki: str) -> None:
    (folder / "cluster.yaml").write_text(f"{SMALL_SPEC}pki: {pki}\n")
    done = khgen("render", "cluster.yaml", cwd=folder, env={"SOURCE_DATE_EPOCH": epoch})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("epoch", ["0", f"{FIRST_EPOCH - 1}"])
def test_a_clock_that_was_never_set_is_an_error_of_the_input(folder: Path, epoch: str) -> None:
    done = khgen("render", "cluster.yaml", cwd=folder, env={"SOURCE_DATE_EPOCH": epoch})
    assert done.returncode == Exit.PROBLEMS
    assert "a date before khgen existed" in done.stderr


UTF8 = {"PYTHONIOENCODING": "utf-8"}
C_LOCALE = {"LC_ALL": "C", "LANG": "C"}
ASCII = {"PYTHONIOENCODING": "ascii"}
LATIN = {"PYTHONIOENCODING": "latin-1"}


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes are Linux's")
@pytest.mark.parametrize(
    "env", [UTF8, C_LOCALE, ASCII, LATIN], ids=lambda env: "".join(env.values())
)
def test_a_path_that_cannot_be_printed_is_escaped(folder: Path, env: dict[str, str]) -> None:
    name = "o\udcffut☃"
    done = khgen("render", "cluster.yaml", "-o", name, cwd=folder, env=env)
    assert done.returncode == 0, done.stderr
    assert "rendered 4 nodes of small (Kubernetes 1.29.6) into o\\udcffut" in done.stdout
    again = khgen("render", "cluster.yaml", "-o", name, *AS_JSON, cwd=folder, env=env)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["output"] == name
    missing = khgen("render", f"{name}.yaml", cwd=folder, env=env)
    assert missing.returncode == Exit.FILES
    assert "khgen: error: o\\udcffut" in missing.stderr


@pytest.mark.parametrize("text", ["kind: Cluster", None])
def test_an_error_names_a_file_with_a_line_end_in_one_line(folder: Path, text: str | None) -> None:
    name = "a\x1b[31m\nb.yaml"
    if text is not None:
        (folder / name).write_text(text)
    done = khgen("render", name, cwd=folder)
    assert done.returncode == (Exit.FILES if text is None else Exit.PROBLEMS)
    assert "a\\x1b[31m\\nb.yaml:" in done.stderr.splitlines()[0]
    assert "\x1b" not in done.stderr
