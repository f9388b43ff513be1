"""What the secrets file learns of a render: its creation, and the record of what was rendered."""

from dataclasses import replace
from pathlib import Path

from khgen.cli.inputs import Inputs, SecretsSource
from khgen.cli.outcome import wrote
from khgen.disk.private_file import STANDARD_INPUT, STANDARD_INPUT_NAME
from khgen.disk.secrets_file import create, extend
from khgen.pki.secrets import Secrets, founding_nodes, is_recorded, recorded
from khgen.problems import Place, Problem, Problems, Severity

DECRYPT_HINT = "render once with the decrypted file itself, then encrypt that one again"
WRITABLE_HINT = "make the file and its folder writable, and render again"


class SecretsAppearedError(Exception):
    """Another render made the secrets file first: its secrets count."""


def keep_new(source: SecretsSource) -> None:
    """Write secrets that this render made, at the moment when all that it wrote is complete."""
    if not source.fresh:
        return
    if not create(source.path, source.secrets, source.key):
        raise SecretsAppearedError
    wrote(source.path)


def founders_line(secrets: Secrets, spec: Path) -> str:
    """Who the founders are from now on, and until when that can be changed."""
    return (
        f"founders fixed: {', '.join(founding_nodes(secrets))}; until a machine has booted,"
        f" khgen secrets refound {spec} changes them"
    )


def unrecorded(inputs: Inputs, source: SecretsSource) -> Problems:
    """A warning where this render has something to record, and nowhere to write it."""
    if not source.read_only or is_recorded(source.secrets, inputs.spec):
        return Problems()
    if source.path == STANDARD_INPUT:
        return _warning(STANDARD_INPUT_NAME, "secrets from standard input", DECRYPT_HINT)
    return _warning(str(source.path), "secrets from a pipe", DECRYPT_HINT)


def record(inputs: Inputs, source: SecretsSource) -> Problems:
    """Add what was rendered to the secrets file; a warning where it cannot be written."""
    if source.fresh or source.read_only or _knows_all(inputs, source):
        return Problems()
    try:
        extend(source.path, lambda old: _with_record(old, inputs, source), source.key)
    except OSError as error:
        why = f"the secrets file cannot be written ({error.strerror})"
        return _warning(str(source.path), why, WRITABLE_HINT)
    wrote(source.path)
    return Problems()


def _knows_all(inputs: Inputs, source: SecretsSource) -> bool:
    named = source.spec_file in {None, source.secrets.spec_file}
    return named and is_recorded(source.secrets, inputs.spec)


def _with_record(old: Secrets, inputs: Inputs, source: SecretsSource) -> Secrets:
    spec_file = old.spec_file if source.spec_file is None else source.spec_file
    return replace(recorded(old, inputs.spec), spec_file=spec_file)


def _warning(file: str, why: str, hint: str) -> Problems:
    message = f"{why}: the identity and the version of this render are not recorded"
    place = Place(file=file, line=1, column=1)
    return Problems.of(
        [Problem(message=message, place=place, hint=hint, severity=Severity.WARNING)]
    )
