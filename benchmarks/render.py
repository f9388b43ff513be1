"""How long a render takes, how much memory it needs, and what the user-data weighs.

    .venv/bin/python benchmarks/render.py                # 5, 100, 1,000 and 10,000 nodes
    .venv/bin/python benchmarks/render.py --nodes 1000 --runs 5

The first table: every run is a whole process with a fresh output folder and a fresh secrets file.
Memory is the peak resident size of the largest single process. The second table: the first render,
one with nothing changed, one with every node changed, each over the output of the one before, and
the floor: the same user-data written alone, by one process. Prints Markdown.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CONTROL_PLANES = 5
SIZES = (5, 100, 1000, 10000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process: seconds on the clock, seconds of processor, peak MiB."""

    wall: float
    processor: float
    memory: float


def cluster(nodes: int, datasource: str) -> str:
    """A cluster.yaml with five control planes and workers up to `nodes`."""
    rows = []
    for number in range(nodes):
        role = "control-plane" if number < CONTROL_PLANES else "worker"
        address = f"10.32.{(number + 10) // 256}.{(number + 10) % 256}"
        rows.append(f"  - {{name: node-{number:05}, role: {role}, address: {address}}}")
    return "\n".join(
        (
            "apiVersion: khgen/v1alpha1",
            "kind: Cluster",
            f"metadata: {{name: bench-{nodes}}}",
            "networking: {podSubnet: 172.16.0.0/12, serviceSubnet: 192.168.0.0/16}"
            if nodes <= 2000
            else "networking: {podSubnet: 64.0.0.0/9, serviceSubnet: 192.168.0.0/16}",
            "controlPlaneEndpoint: {vip: 10.32.0.2, port: 8443}",
            'os: {family: debian, release: "12"}',
            f"userData: {{datasource: {datasource}}}",
            "nodes:",
            *rows,
            "",
        )
    )


def measured(command: list[str]) -> Run:
    """One run of the command as a whole process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        message = f"{' '.join(command)} ended with {process.returncode}"
        raise RuntimeError(message)
    return Run(wall=wall, processor=usage.ru_utime + usage.ru_stime, memory=usage.ru_maxrss / 1024)


def render_run(folder: Path, text: str, khgen: str) -> Run:
    """One cold render in a new folder: no output and no secrets from before.

    Old folders stay until the end: where files were just removed, a file system may make new ones
    many times slower (ext4 does not reuse fresh inode numbers), and that is not khgen's time.
    """
    folder.mkdir()
    spec = folder / "cluster.yaml"
    spec.write_text(text, encoding="utf-8")
    os.sync()
    return measured([khgen, "render", str(spec), "-o", str(folder / "out")])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Seconds of three renders into one folder, and of writing the same user-data alone."""

    first: float
    again: float
    changed: float
    floor: float


def sequence_run(folder: Path, text: str, khgen: str) -> Sequence:
    """The three renders, one after the other, and the floor."""
    first = render_run(folder, text, khgen)
    command = [khgen, "render", str(folder / "cluster.yaml"), "-o", str(folder / "out")]
    again = measured(command)
    changed = text.replace('release: "12"', 'release: "12", timezone: Europe/Paris')
    (folder / "cluster.yaml").write_text(changed, encoding="utf-8")
    every = measured(command)
    contents = [path.read_bytes() for path in sorted((folder / "out/nodes").glob("*/user-data"))]
    started = time.perf_counter()
    (folder / "floor").mkdir()
    for number, content in enumerate(contents):
        (folder / "floor" / str(number)).write_bytes(content)
    floor = time.perf_counter() - started
    return Sequence(first=first.wall, again=again.wall, changed=every.wall, floor=floor)


def sequence_row(nodes: int, runs: list[Sequence]) -> str:
    """One row of the second table, minimum and maximum."""
    columns = zip(*((r.first, r.again, r.changed, r.floor) for r in runs), strict=True)
    cells = (f"{min(column):.2f} to {max(column):.2f} s" for column in columns)
    return f"| {nodes:,} | {' | '.join(cells)} |"


def user_data_bytes(out: Path) -> dict[str, int]:
    """The largest gzipped user-data of each role."""
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    largest: dict[str, int] = {}
    for node in manifest["nodes"].values():
        size = node["userData"]["gzippedBytes"]
        largest[node["role"]] = max(size, largest.get(node["role"], 0))
    return largest


def table_row(nodes: int, runs: list[Run], sizes: dict[str, int]) -> str:
    """One row of the Markdown table, medians."""
    wall = statistics.median(run.wall for run in runs)
    return (
        f"| {nodes:,} | {wall:.2f} s | {min(r.wall for r in runs):.2f} to "
        f"{max(r.wall for r in runs):.2f} s | {statistics.median(r.processor for r in runs):.2f} s "
        f"| {max(r.memory for r in runs):.0f} MiB | {nodes / wall:,.0f} "
        f"| {sizes.get('control-plane', 0):,} B | {sizes.get('worker', 0):,} B |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, action="append", help="cluster size; repeatable")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--datasource", default="nocloud")
    parser.add_argument("--folder", type=Path, help="where to render; default: a temporary folder")
    arguments = parser.parse_args()
    khgen = str(Path(sys.executable).with_name("khgen"))
    cpus = len(os.sched_getaffinity(0))
    sys.stdout.write(
        f"{platform.machine()}, {cpus} processors, Python {platform.python_version()}\n\n"
    )
    sys.stdout.write(
        "| nodes | wall, median | wall, range | processor | peak memory | nodes/s "
        "| user-data control plane, gzipped | worker, gzipped |\n|---|---|---|---|---|---|---|---|\n"
    )
    for nodes in arguments.nodes or SIZES:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            folders = [Path(name) / f"run-{number}" for number in range(arguments.runs)]
            text = cluster(nodes, arguments.datasource)
            runs = [render_run(folder, text, khgen) for folder in folders]
            sizes = user_data_bytes(folders[0] / "out")
            sys.stdout.write(table_row(nodes, runs, sizes) + "\n")
            sys.stdout.flush()
    write_sequences(arguments.nodes or SIZES, arguments, khgen)


def write_sequences(sizes: Iterable[int], arguments: argparse.Namespace, khgen: str) -> None:
    """Measure and print the second table."""
    sys.stdout.write("\n| nodes | first | nothing changed | all changed | floor |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    for nodes in sizes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            text = cluster(nodes, arguments.datasource)
            folders = [Path(name) / f"run-{number}" for number in range(arguments.runs)]
            runs = [sequence_run(folder, text, khgen) for folder in folders]
        sys.stdout.write(sequence_row(nodes, runs) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
