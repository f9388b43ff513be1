"""`khgen render`: from cluster.yaml and the secrets file to the output folder."""

from pathlib import Path

import click

from khgen.cli.outcome import format_option


@click.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder to write; it is replaced whole.",
)
@click.option("--secrets", help="Secrets file, or - for standard input; default: beside the spec.")
@click.option("--node", "names", multiple=True, help="Render only this node; repeatable.")
@click.option("--rootfs", is_flag=True, help="Write every file of each node too, to read.")
@click.option("--check", is_flag=True, help="Check everything, write nothing.")
@click.option("--strict", is_flag=True, help="Take warnings for errors.")
@format_option
def render(  # noqa: PLR0913 - one for each option
    spec: Path,
    output: Path,
    secrets: str | None,
    names: tuple[str, ...],
    *,
    rootfs: bool,
    check: bool,
    strict: bool,
) -> None:
    """Render the nodes of a cluster: user-data, every file, and the operator's kubeconfig.

    A second render writes only what changed; `khgen show` prints the files of a node. The secrets
    file beside the spec is created at the first render and never replaced.
    """
    from khgen.cli.rendering import RenderRequest, run_render

    request = RenderRequest(
        spec=spec,
        output=output,
        rootfs=rootfs,
        check=check,
        secrets=secrets,
        names=names,
        strict=strict,
    )
    run_render(request)
