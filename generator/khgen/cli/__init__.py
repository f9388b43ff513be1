"""The command line. It talks to the user by these rules:

- what is wrong with the input goes to standard error, all of it at once, and nothing is written;
- results go to standard output, so that a pipeline can take them;
- no question is ever asked, but for what cannot be undone (`secrets refound`, `secrets seal`), and a
  flag answers that one too; no key is ever shown;
- exit codes: 0 done, 1 the input has errors, 2 wrong usage, 3 cannot read or write,
  4 an external program failed, 70 a defect in khgen; and of diff: 2 something changes;
- a command that a signal ends clears what it began: 130 for ^C, 143 for SIGTERM, 129 for SIGHUP,
  and 141, without a word, where nobody reads the output any more.
"""

import sys
from contextlib import suppress
from importlib import import_module

import click

from khgen import __version__
from khgen.cli.ending import (
    EndedError,
    closed_pipe_ends,
    ending_in_order,
    exit_code,
    forget_unread_output,
)
from khgen.cli.outcome import EXIT_DEFECT, EXIT_FILES, report_defect, report_os_error
from khgen.disk.ending_signals import ENDING

COMMANDS = {
    "init": "khgen.cli.start:init",
    "schema": "khgen.cli.start:schema",
    "diff": "khgen.cli.diff:diff",
    "render": "khgen.cli.render:render",
    "seed": "khgen.cli.seed:seed",
    "export": "khgen.cli.export:export",
    "image": "khgen.cli.image:image",
    "rehearse": "khgen.cli.rehearse:rehearse",
    "node": "khgen.cli.node:node",
    "certs": "khgen.cli.certs:certs",
    "secrets": "khgen.cli.secrets:secrets",
}
"""Each command and where it is; a module is imported when its command is asked for."""


class _LazyGroup(click.Group):
    """Commands that are imported when they are needed, so that `khgen --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a cluster's life."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: object,
    ) -> click.Context:
        """The context of a run; click itself would take a closed pipe for exit code 1."""
        with closed_pipe_ends():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with closed_pipe_ends():
            return super().invoke(ctx)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="khgen")
@click.option("--debug", is_flag=True, help="Show the traceback of a defect in khgen.")
def cli(*, debug: bool) -> None:
    """One cluster.yaml becomes everything a highly available kubeadm cluster needs.

    Start with `khgen init`, then `khgen render cluster.yaml -o out/`.
    """
    del debug


def main() -> None:
    """Run the command line; every end before its time has one of the exit codes above."""
    try:
        with closed_pipe_ends():
            _run()
    except EndedError as ended:
        if ended.number in ENDING:
            with suppress(OSError):
                click.echo("khgen: interrupted", err=True)
        sys.exit(exit_code(ended.number))
    finally:
        forget_unread_output()


def _run() -> None:
    try:
        with ending_in_order():
            cli()
    except BrokenPipeError:
        raise
    except OSError as error:
        report_os_error(error)
        sys.exit(EXIT_FILES)
    except Exception as error:  # noqa: BLE001 - the last resort: a defect of ours, said so
        report_defect(error, show="--debug" in sys.argv)
        sys.exit(EXIT_DEFECT)
