"""What the secrets file learns of a render: its creation, and the record of what was rendered."""

from pathlib import Path

from khgen.cli.inputs import Inputs, SecretsSource
from khgen.cli.outcome import wrote
from khgen.disk.secrets_file import STANDARD_INPUT, STANDARD_INPUT_NAME, create, extend
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
    if not create(source.path, source.secrets):
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
    if source.path != STANDARD_INPUT or is_recorded(source.secrets, inputs.spec):
        return Problems()
    return _warning(STANDARD_INPUT_NAME, "secrets from standard input", DECRYPT_HINT)


def record(inputs: Inputs, source: SecretsSource) -> Problems:
    """Add what was rendered to the secrets file; a warning where it cannot be written."""
    if source.fresh or source.path == STANDARD_INPUT or is_recorded(source.secrets, inputs.spec):
        return Problems()
    try:
        extend(source.path, lambda old: recorded(old, inputs.spec))
    except OSError as error:
        why = f"the secrets file cannot be written ({error.strerror})"
        return _warning(str(source.path), why, WRITABLE_HINT)
    wrote(source.path)
    return Problems()


def _warning(file: str, why: str, hint: str) -> Problems:
    message = f"{why}: the identity and the version of this render are not recorded"
    place = Place(file=file, line=1, column=1)
    return Problems.of(
        [Problem(message=message, place=place, hint=hint, severity=Severity.WARNING)]
    )
