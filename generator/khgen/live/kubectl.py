"""kubectl as a subprocess: every form of kubeconfig works, also those that get a token by a program.

Only `get --raw` is used: it sends one GET and can change nothing.
"""

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

REQUEST_SECONDS = 10
"""So long the API may take to answer."""
PROGRAM_SECONDS = 30
"""So long kubectl may take, with a program that gets it a token."""
GET_KUBECTL = "install it: https://kubernetes.io/docs/tasks/tools/"


class KubectlError(Exception):
    """kubectl is missing, failed or did not end; with a hint for the user."""

    def __init__(self, message: str, hint: str = "") -> None:
        """The message and the hint are for the user."""
        super().__init__(message)
        self.hint = hint


def raw_lists(kubeconfig: Path | None, paths: Sequence[str]) -> list[str]:
    """What the API answers at each of these paths; the requests run at the same time."""
    program = shutil.which("kubectl")
    if program is None:
        message = "there is no kubectl on this machine"
        raise KubectlError(message, GET_KUBECTL)
    running = [_started(program, kubeconfig, path) for path in paths]
    try:
        return [_output(process, kubeconfig) for process in running]
    finally:
        for process in running:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _started(program: str, kubeconfig: Path | None, path: str) -> subprocess.Popen[str]:
    chosen = [] if kubeconfig is None else [f"--kubeconfig={kubeconfig}"]
    return subprocess.Popen(  # noqa: S603 - a fixed command; the kubeconfig is the user's own
        [program, *chosen, "get", "--raw", path, f"--request-timeout={REQUEST_SECONDS}s"],
        stdin=subprocess.DEVNULL,  # else kubectl asks for a password
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )


def _output(process: subprocess.Popen[str], kubeconfig: Path | None) -> str:
    try:
        out, said = process.communicate(timeout=PROGRAM_SECONDS)
    except subprocess.TimeoutExpired:
        message = f"kubectl did not end within {PROGRAM_SECONDS} s"
        raise KubectlError(message) from None
    if process.returncode:
        lines = [line for line in said.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit code {process.returncode}"
        tried = f" --kubeconfig {kubeconfig}" if kubeconfig is not None else ""
        message = f"kubectl: {reason}"
        raise KubectlError(message, f"try kubectl{tried} get nodes")
    return out
