"""The command line. It talks to the user by these rules:

- what is wrong with the input goes to standard error, all of it at once, and nothing is written;
- results go to standard output, so that a pipeline can take them;
- no question is ever asked, but for what cannot be undone (`secrets refound`, `secrets seal`), and a
  flag answers that one too; no key is ever shown;
- every end has its exit code: `khgen.cli.outcome.Exit` in the code, docs/commands.md for users;
- a command that a signal ends clears what it began.
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
from khgen.cli.outcome import (
    Exit,
    Run,
    print_any_text,
    report_defect,
    report_os_error,
    run_of,
)
from khgen.disk.system_calls import ENDING

COMMANDS = {
    "init": "Write a commented cluster.yaml to start from.",
    "schema": "Print the JSON Schema of cluster.yaml, for editors.",
    "diff": "Show what a render would change, and write nothing.",
    "render": "Render the files of all nodes into a folder.",
    "show": "List or print the files that a node is given.",
    "seed": "Make a NoCloud seed for each node in OUT.",
    "export": "Write the nodes in OUT in the form that a platform takes.",
    "image": "Bake golden images with Packer.",
    "rehearse": "Boot the rendered nodes as local hosts (Linux, as root).",
    "node": "Replace or remove a single node.",
    "certs": "List certificates and renew them.",
    "secrets": "Import, reset or accept the secrets file.",
}
"""Each command with its line in `khgen --help`, in the order of a cluster's life.

A command is in the module `khgen.cli.<name>_command`, which is imported when it is asked for.
"""


class _LazyGroup(click.Group):
    """Commands that are imported when they are needed, so that `khgen --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"khgen.cli.{cmd_name}_command"), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands, of which none is imported for that."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with; the error for another names a close one."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="khgen")
@click.option("--debug", is_flag=True, help="Show the traceback of a defect in khgen.")
def cli(*, debug: bool) -> None:
    """Turn one cluster.yaml into everything that a kubeadm cluster needs.

    Start with `khgen init`, then `khgen render cluster.yaml -o out/`.
    """
    del debug


def main() -> None:
    """Run the command line; every end has one of the exit codes."""
    print_any_text()
    try:
        with closed_pipe_ends():
            _run(run_of(sys.argv[1:]))
    except EndedError as ended:
        if ended.number in ENDING:
            with suppress(OSError):
                click.echo("khgen: interrupted", err=True)
        sys.exit(exit_code(ended.number))
    finally:
        forget_unread_output()


def _run(run: Run) -> None:
    try:
        with ending_in_order():
            sys.exit(cli(obj=run, standalone_mode=False))
    except click.ClickException as error:
        run.fail_usage(error)
    except click.Abort:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        raise
    except OSError as error:
        report_os_error(run, error)
    except Exception as error:  # noqa: BLE001 - the last resort: a defect of ours, said so
        report_defect(run, error, show="--debug" in sys.argv)
