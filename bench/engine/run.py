"""mixmake beside GNU make, ninja, DVC and Snakemake on the same graph, in one run: `make bench-engine`.

Each figure is the median of several runs, with the least and the most. What is too slow for a
benchmark of minutes is left out and said to be. Nothing here is needed to build or use mixmake.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import graphs  # noqa: E402

ENVIRONMENT = {**os.environ, "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
# The largest graph on which a tool's first run, and its run with nothing to do, take seconds.
LARGEST_COLD = {"mixmake": 1000, "make": 10_000, "ninja": 10_000, "dvc": 200, "snakemake": 200}
LARGEST_NO_OP = {"mixmake": 10_000, "make": 10_000, "ninja": 10_000, "dvc": 1000, "snakemake": 1000}
MANY_FILES = 100_000


class Tool:
    """One build tool: how it is told the graph, and how it is run."""

    def __init__(self, name, program, arguments, jobs=None):
        self.name = name
        self.program = program
        self.arguments = arguments
        self.jobs = jobs

    def command(self, jobs):
        return [self.program, *self.arguments, *(self.jobs(jobs) if self.jobs else [])]

    def prepare(self, folder, actions):
        graphs.inputs(folder, actions)
        getattr(graphs, self.name)(folder, actions)
        if self.name == "dvc":
            run([self.program, "init", "-q", "--no-scm"], folder)

    def build_elsewhere(self, folder, actions):
        """Brings everything up to date by the quickest way there is."""
        if self.name in ("dvc", "snakemake"):
            outputs_by_hand(folder, actions)
        if self.name == "dvc":
            run([self.program, "commit", "-q", "--force"], folder)
        run(self.command(os.cpu_count()), folder)


def outputs_by_hand(folder, actions):
    (folder / "work").mkdir(exist_ok=True)
    for chain, index in graphs.every_link(actions):
        before, after = graphs.link(chain, index)
        shutil.copyfile(folder / before, folder / after)


def run(command, folder):
    """Seconds that a command takes, which must succeed."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    took = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return took


def find_tools(arguments):
    packages = Path(arguments.packages)
    found = [Tool("mixmake", Path(arguments.mixmake).resolve(), ["run", "-q"], lambda n: [f"-j{n}"])]
    candidates = [
        Tool("make", shutil.which("make"), ["-s"], lambda n: [f"-j{n}"]),
        Tool("ninja", packages / "ninja", ["--quiet"], lambda n: [f"-j{n}"]),
        Tool("dvc", packages / "dvc", ["repro", "-q"]),
        Tool("snakemake", packages / "snakemake", ["-q"], lambda n: ["--cores", str(n)]),
    ]
    for tool in candidates:
        if tool.program and Path(tool.program).exists():
            tool.program = Path(tool.program).resolve() if tool.name == "make" else Path(tool.program).absolute()
            found.append(tool)
        else:
            print(f"{tool.name}: not installed, left out", file=sys.stderr)
    return found


def show(seconds):
    """The median, with the least and the most."""
    if not seconds:
        return "left out"
    middle = statistics.median(seconds)
    spread = f" ({min(seconds):.3f}-{max(seconds):.3f})" if len(seconds) > 1 else " (one run)"
    return f"{middle:.3f}{spread}"


class Table:
    def __init__(self, tools):
        self.tools = tools
        self.rows = []

    def add(self, title, figures):
        self.rows.append((title, figures))
        shown = ", ".join(f"{tool.name} {show(figures.get(tool.name))}" for tool in self.tools)
        print(f"{title}: {shown}", file=sys.stderr, flush=True)

    def text(self):
        head = ["seconds: median (least-most)", *(tool.name for tool in self.tools)]
        body = [[title, *(show(row.get(tool.name)) for tool in self.tools)] for title, row in self.rows]
        lines = ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *body]]
        return "\n".join(lines)


def times(count, command, folder, before=lambda: None):
    taken = []
    for _ in range(count):
        before()
        taken.append(run(command, folder))
    return taken


def cold(tools, table, root, jobs, largest):
    """From nothing, by size, the tools in turn. Nothing is removed before the end: some file systems make files
    slowly for minutes after others were removed, whoever removed them."""
    for actions in (size for size in (50, 200, 1000, 10_000) if size <= largest):
        figures = {}
        for attempt in range(1 if actions >= 1000 else 5):
            for tool in tools:
                slow = tool.name in ("dvc", "snakemake")
                if actions > LARGEST_COLD[tool.name] or (slow and attempt > 0):
                    continue
                folder = root / f"cold-{tool.name}-{actions}-{jobs}-{attempt}"
                tool.prepare(folder, actions)
                figures.setdefault(tool.name, []).append(run(tool.command(jobs), folder))
        table.add(f"first run of {actions} actions, -j{jobs}", figures)
        say_overhead(figures, actions)


def say_overhead(figures, actions):
    """What an action costs beyond its command, taking make's own cost for nothing."""
    if not {"make", "mixmake", "dvc"} <= figures.keys():
        return
    least = statistics.median(figures["make"])
    beyond = {name: [(took - least) / actions for took in figures[name]] for name in ("mixmake", "dvc")}
    ours, theirs = (statistics.median(beyond[name]) for name in ("mixmake", "dvc"))
    shares = [theirs / own for own in sorted(beyond["mixmake"], reverse=True)]
    print(
        f"  an action beyond make's: mixmake {1e3 * ours:.2f} ms, dvc {1e3 * theirs:.0f} ms,"
        f" {theirs / ours:.0f} times as much ({shares[0]:.0f} to {shares[-1]:.0f})",
        file=sys.stderr,
    )


def warm(tools, table, root, largest):
    """With everything up to date: nothing to do, one input changed, rewritten, and put back."""
    for actions in (size for size in (200, 1000, 10_000) if size <= largest):
        folders = {}
        for tool in tools:
            if actions <= LARGEST_NO_OP[tool.name]:
                folders[tool.name] = root / f"warm-{tool.name}-{actions}"
                tool.prepare(folders[tool.name], actions)
                tool.build_elsewhere(folders[tool.name], actions)
        # So that no file is as young as what is known of it.
        time.sleep(2.5)
        jobs = os.cpu_count()
        rows = {"nothing to do": None, "one input changed": "changed {}\n", "same bytes again": ""}
        for title, text in rows.items():
            figures = {}
            for tool in (tool for tool in tools if tool.name in folders):
                slow = tool.name in ("dvc", "snakemake")
                if title != "nothing to do" and (actions != 1000 or slow):
                    continue
                folder = folders[tool.name]
                count = (1 if actions >= 1000 else 2) if slow else 7
                figures[tool.name] = times(
                    count, tool.command(jobs), folder, lambda: edit(folder / "in/0.txt", text)
                )
            if figures:
                table.add(f"{title}, {actions} actions", figures)
        for folder in folders.values():
            shutil.rmtree(folder)


def edit(path, text):
    """Writes another text for every call, or the same bytes again; nothing where there is none."""
    if text is not None:
        path.write_text(text.format(time.perf_counter()) if text else path.read_text())


def many_files(tools, table, root):
    """Planning with 100,000 input files of which none changed."""
    folder = root / "many"
    for number in range(MANY_FILES):
        path = folder / f"data/{number // 1000:03}/{number % 1000:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n")
    graphs.write(folder, "mixmake.toml", [
        "[step.count]", "run = \"ls data | wc -l > out\"", 'inputs = "data/**/*.txt"', 'outputs = "out"',
    ])
    graphs.write(folder, "Makefile", [
        "out: $(wildcard data/*/*.txt)", "\t@ls data | wc -l > out",
    ])
    time.sleep(2.5)
    figures = {}
    for tool in tools:
        if tool.name in ("mixmake", "make"):
            run(tool.command(1), folder)
            figures[tool.name] = times(5, tool.command(1), folder)
    table.add(f"nothing to do, {MANY_FILES} input files of one action", figures)
    shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mixmake", default="target/release/mixmake")
    parser.add_argument("--packages", default="target/bench/venv/bin")
    parser.add_argument("--only", choices=["warm", "cold", "many"])
    parser.add_argument("--largest", type=int, default=10_000, help="leave out larger graphs")
    arguments = parser.parse_args()
    tools = find_tools(arguments)
    table = Table(tools)
    # On a disk, as users' stores are; not in memory.
    place = Path("target/bench")
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as root:
        root = Path(root).resolve()
        if arguments.only in (None, "cold"):
            for jobs in sorted({1, os.cpu_count()}):
                # DVC runs one command at a time.
                chosen = [tool for tool in tools if tool.name != ("snakemake" if jobs == 1 else "dvc")]
                cold(chosen, table, root, jobs, arguments.largest)
        if arguments.only in (None, "many"):
            many_files(tools, table, root)
        if arguments.only in (None, "warm"):
            warm(tools, table, root, arguments.largest)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}\n")
    print(table.text())


main()
