"""docs/seeds.md and docs/ci.md: pipelines have their shape, scripts are clean, commands exist."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from khgen.cli import cli
from khgen.export.platforms import VARIABLES
from support.command import SMALL_SPEC, khgen
from support.programs import SYSTEM_PATH, assert_accepts, require_program
from support.rendered_out import ADDRESSED_SPEC, tree, write_out
from support.rendering import ROOT

SEEDS = (ROOT / "docs" / "seeds.md").read_text(encoding="utf-8")
CI = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
NAMES = re.compile(r"var\.(khgen_\w+)")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


GITHUB, GITLAB = (yaml.safe_load(block) for block in blocks(CI, "yaml"))
GITLAB_JOBS = {name: job for name, job in GITLAB.items() if "script" in job}


def scripts() -> Iterator[tuple[str, str]]:
    """Every shell script on the two pages, with a name for it."""
    for page, text in (("seeds", SEEDS), ("ci", CI)):
        for number, block in enumerate(blocks(text, "sh")):
            yield f"{page}-{number}", block
    for name, job in GITHUB["jobs"].items():
        for step in job["steps"]:
            if "run" in step:
                yield f"github-{name}-{step['name']}", step["run"]
    for name, job in GITLAB_JOBS.items():
        yield f"gitlab-{name}", "\n".join(job["script"])


SCRIPTS = dict(scripts())


def commands(script: str) -> Iterator[list[str]]:
    """The words of every khgen command in a script."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&()<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|;&()<>"):
                if words[:1] == ["khgen"]:
                    yield words[1:]
                words = []
            else:
                words.append(word)


def parse(words: list[str]) -> click.Context:
    """Let khgen's own parser take these words, without running anything."""
    command: click.Command = cli
    context = click.Context(cli, info_name="khgen")
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    command.parse_args(context, list(words))
    return context


COMMANDS = [words for script in SCRIPTS.values() for words in commands(script)]


def test_there_are_commands_to_try() -> None:
    assert len(SCRIPTS) >= 16
    assert len(COMMANDS) >= 20
    assert {words[0] for words in COMMANDS} == {"render", "seed", "export", "image"}
    with pytest.raises(click.ClickException):
        parse(["render", "cluster.yaml", "--chekc"])
    with pytest.raises(click.ClickException):
        parse(["image", "built", "cluster.yaml"])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_khgen_takes_every_command(words: list[str]) -> None:
    assert parse(words).command_path.startswith("khgen ")


def test_commands_of_the_seeds_page_run(tmp_path: Path) -> None:
    write_out(tmp_path, ADDRESSED_SPEC)
    on_page = [words for block in blocks(SEEDS, "sh") for words in commands(block)]
    assert {words[0] for words in on_page} == {"seed", "export"}
    for words in on_page:
        done = khgen(*words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.tools
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_is_clean(name: str, tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text(f"#!/bin/bash\n{SCRIPTS[name]}\n")
    assert_accepts(["bash", "-n", script])
    assert_accepts([require_program("shellcheck"), script])


def test_github_jobs_have_steps_and_pinned_actions() -> None:
    assert set(GITHUB["jobs"]) == {"check", "image", "render"}
    assert set(GITHUB[True]) == {"pull_request", "push"}  # YAML 1.1 takes `on` for true.
    assert GITHUB["permissions"] == {"contents": "read"}
    for job in GITHUB["jobs"].values():
        assert isinstance(job["runs-on"], str)
        for step in job["steps"]:
            assert len(step.keys() & {"run", "uses"}) == 1
            assert "uses" not in step or PINNED.fullmatch(step["uses"])


def test_gitlab_jobs_have_scripts_and_known_stages() -> None:
    assert set(GITLAB_JOBS) == {"check", "image", "render"}
    for job in GITLAB_JOBS.values():
        assert job["stage"] in GITLAB["stages"]
        assert all(isinstance(line, str) for line in job["script"])


def test_keys_reach_only_jobs_of_the_main_branch() -> None:
    for name, job in GITHUB["jobs"].items():
        keyed = "secrets." in str(job)
        assert keyed == (name == "render")
        assert not keyed or job["if"] == "github.ref == 'refs/heads/main'"
    for name, job in GITLAB_JOBS.items():
        assert ("--secrets" in str(job)) == (name == "render")
        assert ("rules" in job) == (name != "check")


def test_artifacts_with_keys_leave_their_job_encrypted() -> None:
    uploads = [
        step["with"]["path"]
        for job in GITHUB["jobs"].values()
        for step in job["steps"]
        if "upload-artifact" in step.get("uses", "")
    ]
    kept = [path for job in GITLAB_JOBS.values() for path in paths_of(job)]
    assert uploads == kept == ["images/", "seeds.tar.age"]


def paths_of(job: dict[str, Any]) -> list[str]:
    paths: list[str] = job.get("artifacts", {}).get("paths", [])
    return paths


def shell(script: str, folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a page's script as it stands, with this khgen first on its path."""
    program = folder / "bin" / "khgen"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m khgen "$@"\n')
    program.chmod(0o755)
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={"PATH": f"{program.parent}{os.pathsep}{SYSTEM_PATH}", "HOME": str(folder), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.tools
def test_the_render_job_runs_as_it_stands(tmp_path: Path) -> None:
    require_program("age")
    spec = SMALL_SPEC.replace("{name: small}", "{name: prod}")
    (tmp_path / "cluster.yaml").write_text(spec)
    encrypt = next(block for block in blocks(CI, "sh") if "age --encrypt" in block)
    assert shell(encrypt, tmp_path).returncode == 0
    assert khgen("seed", "out", "-o", "before", cwd=tmp_path).returncode == 0
    (tmp_path / "prod.secrets.yaml").unlink()
    (tmp_path / "out").rename(tmp_path / "first")
    key = (tmp_path / "ci.key").read_text().splitlines()[-1]
    recipient = shell("age-keygen -y ci.key", tmp_path).stdout.strip()
    job = SCRIPTS["github-render-render"]
    done = shell(job, tmp_path, AGE_KEY=key, RECIPIENT=recipient)
    assert done.returncode == 0, done.stderr
    assert "PRIVATE KEY" not in done.stdout + done.stderr
    assert key not in done.stdout + done.stderr
    assert not (tmp_path / "prod.secrets.yaml").exists()
    (tmp_path / "seeds").rename(tmp_path / "rendered")
    (tmp_path / "ci.key").rename(tmp_path / "operator.key")
    (opening,) = [block for block in blocks(CI, "sh") if "age --decrypt" in block]
    assert shell(opening, tmp_path).returncode == 0
    assert tree(tmp_path / "seeds") == tree(tmp_path / "rendered") == tree(tmp_path / "before")


@pytest.mark.tools
def test_the_render_job_fails_with_another_key(tmp_path: Path) -> None:
    require_program("age")
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC.replace("{name: small}", "{name: prod}"))
    encrypt = next(block for block in blocks(CI, "sh") if "age --encrypt" in block)
    assert shell(encrypt, tmp_path).returncode == 0
    (tmp_path / "out").rename(tmp_path / "first")
    other = shell("age-keygen 2>/dev/null", tmp_path).stdout.splitlines()[-1]
    recipient = shell("age-keygen -y ci.key", tmp_path).stdout.strip()
    done = shell(SCRIPTS["github-render-render"], tmp_path, AGE_KEY=other, RECIPIENT=recipient)
    assert done.returncode == 1
    assert "no identity matched" in done.stderr
    assert "nothing was written" in done.stderr
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "seeds.tar.age").exists()


def test_terraform_snippets_use_variables_that_are_declared() -> None:
    declared = set(re.findall(r'^variable "(\w+)"', VARIABLES, re.MULTILINE))
    used = {name for block in blocks(SEEDS, "hcl") for name in NAMES.findall(block)}
    assert used == declared
