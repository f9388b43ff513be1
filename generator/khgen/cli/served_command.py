"""`khgen certs list --live`: the certificates that API servers serve, beside the rendered ones."""

import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click
from cryptography import x509

from khgen.cli.inputs import now, read_inputs
from khgen.cli.outcome import CHANGES, Exit, Report, current_run
from khgen.cli.secrets_source import identity_problems, read_secrets
from khgen.live.cluster_report import time_text
from khgen.live.kubeconfig import KubeconfigError, kubeconfig_authority
from khgen.live.served_certificates import (
    GOOD,
    ComparedCertificate,
    ServerAddress,
    compared_certificates,
    served_certificates,
)
from khgen.pki.catalog import PKI_FOLDER
from khgen.pki.credentials import node_credentials
from khgen.pki.secrets import Secrets, plan_with
from khgen.plan.cluster_plan import API_SERVER_PORT, Plan, host_port

_CERTIFICATE = PKI_FOLDER / "apiserver.crt"
_HEADINGS = ("address", "node", "valid until", "serial", "served certificate")


def list_served(spec: Path, named: str | None, kubeconfig: Path) -> None:
    """Print what each API server serves; ends the command with 2 unless all is as rendered."""
    report = Report()
    inputs = read_inputs(spec, report)
    source = read_secrets(inputs, named, report, must_exist=True)
    report.add(identity_problems(inputs, source), {})
    report.stop_if_fatal()
    plan = plan_with(inputs.spec, source.secrets)
    try:
        served = served_certificates(_addresses(plan), kubeconfig_authority(kubeconfig))
    except KubeconfigError as error:
        current_run().fail(Exit.PROBLEMS, str(error))
    except ssl.SSLError:
        current_run().fail(Exit.PROBLEMS, "the CA in it is not a certificate", file=str(kubeconfig))
    compared = compared_certificates(served, _rendered(plan, source.secrets))
    click.echo("\n".join(_lines(compared, now())))
    sys.exit(Exit.DONE if all(one.verdict in GOOD for one in compared) else CHANGES)


def _addresses(plan: Plan) -> list[ServerAddress]:
    """Each API server's address, and the endpoint unless it is one of them."""
    addresses = [
        ServerAddress(host=str(node.address), port=API_SERVER_PORT, node=node.name)
        for node in plan.control_planes
    ]
    endpoint = ServerAddress(host=plan.endpoint.host, port=plan.endpoint.port, node=None)
    known = {(one.host, one.port) for one in addresses}
    return addresses + ([endpoint] if (endpoint.host, endpoint.port) not in known else [])


def _rendered(plan: Plan, secrets: Secrets) -> Mapping[str, x509.Certificate]:
    """The rendered certificate of each API server, by its node."""
    certificates = {}
    for node in plan.control_planes:
        (content,) = (
            file.content
            for file in node_credentials(plan, node, secrets).files
            if file.path == _CERTIFICATE
        )
        certificates[node.name] = x509.load_pem_x509_certificate(content.encode("ascii"))
    return certificates


def _lines(compared: Sequence[ComparedCertificate], today: datetime) -> Iterator[str]:
    rows = [_HEADINGS, *(_row(one, today) for one in compared)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    yield lines[0].rstrip()
    for line, one in zip(lines[1:], compared, strict=True):
        yield line.rstrip()
        yield from _details(one)


def _row(one: ComparedCertificate, today: datetime) -> tuple[str, ...]:
    address, certificate = one.served.address, one.served.certificate
    place = host_port(address.host, address.port)
    whose = address.node or f"{one.node or 'unknown'}, by the endpoint"
    if certificate is None:
        return place, whose, "-", "-", one.verdict
    left = (certificate.not_valid_after_utc - today).days
    end = f"{certificate.not_valid_after_utc:%Y-%m-%d} ({left} d)"
    return place, whose, end, _serial(certificate), one.verdict


def _details(one: ComparedCertificate) -> Iterator[str]:
    """Why it is refused or not seen, and the rendered certificate where that is another one."""
    rendered = one.rendered
    if one.served.fault:
        yield f"    {one.served.fault}"
    if rendered is not None and one.served.certificate not in (None, rendered):
        end = time_text(rendered.not_valid_after_utc)
        yield f"    rendered: valid until {end}, serial {_serial(rendered)}"


def _serial(certificate: x509.Certificate) -> str:
    """In hexadecimal, as `openssl x509 -serial` prints it."""
    digits = f"{certificate.serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)
