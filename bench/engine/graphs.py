"""The same graph for every tool: N/10 chains of 10 trivial actions, each one `cat` of one file.

Chain c starts at the file in/c.txt; its link i reads what link i-1 wrote.
"""

from pathlib import Path

LINKS = 10


def chains(actions):
    return range(actions // LINKS)


def write(folder, name, lines):
    path = Path(folder, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines))


def inputs(folder, actions):
    Path(folder, "in").mkdir(parents=True)
    for chain in chains(actions):
        Path(folder, f"in/{chain}.txt").write_text(f"chain {chain}\n")


def link(chain, index):
    """What a link reads and what it writes, as file names."""
    before = f"in/{chain}.txt" if index == 0 else f"work/{chain}-{index - 1}.txt"
    return before, f"work/{chain}-{index}.txt"


def every_link(actions):
    for chain in chains(actions):
        for index in range(LINKS):
            yield chain, index


def mixmake(folder, actions):
    lines = ["[workspace]", 'store = "store"']
    for chain, index in every_link(actions):
        before = f"in/{chain}.txt" if index == 0 else f"step.c{chain}-{index - 1}/out.txt"
        lines += [
            f"[step.c{chain}-{index}]",
            f'run = "cat {before} > out.txt"',
            f'inputs = "{before}"',
            'outputs = "out.txt"',
        ]
    write(folder, "mixmake.toml", lines)


def make(folder, actions):
    last = " ".join(link(chain, LINKS - 1)[1] for chain in chains(actions))
    lines = [f"all: {last}"]
    for chain, index in every_link(actions):
        before, after = link(chain, index)
        lines += [f"{after}: {before}", "\t@cat $< > $@"]
    write(folder, "Makefile", lines)
    Path(folder, "work").mkdir()


def ninja(folder, actions):
    lines = ["rule copy", "  command = cat $in > $out"]
    for chain, index in every_link(actions):
        before, after = link(chain, index)
        lines.append(f"build {after}: copy {before}")
    write(folder, "build.ninja", lines)
    Path(folder, "work").mkdir()


def dvc(folder, actions):
    lines = ["stages:"]
    for chain, index in every_link(actions):
        before, after = link(chain, index)
        lines += [
            f"  c{chain}-{index}:",
            f"    cmd: cat {before} > {after}",
            f"    deps: [{before}]",
            f"    outs: [{after}]",
        ]
    write(folder, "dvc.yaml", lines)
    Path(folder, "work").mkdir()


def snakemake(folder, actions):
    lines = [
        "rule all:",
        f"    input: expand('work/{{chain}}-{LINKS - 1}.txt', chain=range({actions // LINKS}))",
    ]
    for index in range(LINKS):
        before, after = link("{chain}", index)
        lines += [
            f"rule link{index}:",
            f"    input: '{before}'",
            f"    output: '{after}'",
            "    wildcard_constraints: chain='[0-9]+'",
            "    shell: 'cat {input} > {output}'",
        ]
    write(folder, "Snakefile", lines)
