#!/usr/bin/env python3
"""Text to tokens, ours beside the peers, in one run on one core of this machine.

bench.py [--rounds N] [--corpora FOLDER] [--ours PROGRAM] [--sets SET...] [WAY...] [--domains NAME...]

Every round runs every way once, each pinned to one core, over the same domains; the medians of the rounds are compared.
The sets are all documents, short ones (lines of at most 5 KB) and long ones (lines of more than 50 KB), the latter two
written anew with zstd's level 9. MB/s counts the raw JSON Lines, decompressed. CPU seconds (user and system) are what the ratios are of: they hardly
depend on what else the machine does. A peer that is not installed is named and left out.
"""
import argparse
import glob
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# Lines of a domain below which it is left out of a set, and those that are held out of each.
FEWEST, HELD_OUT = 10, 5
PEERS = {
    "gpt2": ["datasets", "datatrove", "nanogpt", "megatron", "loop+tokenizers", "loop+tiktoken"],
    "bert-base-uncased": ["datasets"],
}


def run(command, environment=None, cores=None, folder=None):
    """Wall and CPU seconds, largest resident MB and lines of a pinned process and those that it starts."""
    start, out = time.monotonic(), tempfile.TemporaryFile()
    child = subprocess.Popen(["taskset", "-c", cores or CORE, *command], stdout=out, stderr=subprocess.PIPE,
                             env=os.environ | (environment or {}), cwd=folder)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    out.seek(0)
    lines = out.read().decode().strip().splitlines()
    if status:
        return None, errors.decode(errors="replace").strip().splitlines()[-1:] or ["it failed"]
    return {"wall": time.monotonic() - start, "cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024}, lines


def raw_bytes(folder):
    import zstandard
    total = 0
    for path in glob.glob(os.path.join(folder, "part-*")):
        with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            while chunk := stream.read(1 << 20):
                total += len(chunk)
    return total


def by_length(name, folders, holder):
    """The lines of a length, a folder a domain as they came: the columns of a domain are its own."""
    least, most = {"short": (0, 5_000), "long": (50_000, 1 << 40)}[name]
    chosen = (write_lines(os.path.join(holder, name, os.path.basename(folder)), folder, least, most) for folder in folders)
    return [written for written in chosen if written]


def write_lines(into, folder, least, most):
    """Lines of more than `least` and at most `most` bytes in files of some 6 MB; none where there are too few to be split."""
    import zstandard
    parts, kept, size, count = 0, [], 0, 0

    def write():
        nonlocal parts, kept, size
        if kept:
            os.makedirs(into, exist_ok=True)
            with open(os.path.join(into, f"part-{parts:03}.jsonl.zst"), "wb") as file:
                file.write(zstandard.ZstdCompressor(9).compress(b"".join(kept)))
            parts, kept, size = parts + 1, [], 0

    for path in sorted(glob.glob(os.path.join(folder, "part-*"))):
        with open(path, "rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            for line in io.BufferedReader(stream, 1 << 20):
                if least < len(line) <= most:
                    kept.append(line)
                    size, count = size + len(line), count + 1
                if size >= 6 << 20:
                    write()
    write()
    return into if parts and count >= FEWEST else None


def ways(tokenizer, folders, chosen):
    path = os.path.join(CORPORA, "tokenizers", tokenizer, "tokenizer.json")
    commands = {"ours": [OURS, f"--held-out={HELD_OUT}", path, *folders]}
    for way in PEERS[tokenizer]:
        commands[way] = [sys.executable, os.path.join(HERE, "peers.py"), way, path, "OUTPUT", *folders]
    return {way: command for way, command in commands.items() if not chosen or way in chosen or way == "ours"}


def measure(tokenizer, folders, rounds, chosen):
    commands, results = ways(tokenizer, folders, chosen), {}
    for round in range(rounds):
        for way, command in list(commands.items()):
            output = tempfile.mkdtemp()
            environment = {"TMPDIR": output, "HF_HOME": output, "RAYON_NUM_THREADS": "1"}
            found, lines = run([output if word == "OUTPUT" else word for word in command], environment)
            shutil.rmtree(output)
            if found is None:
                print(f"{tokenizer}: {way} is left out: {lines[0]}")
                del commands[way]
                continue
            found["tokens"] = tokens(way, lines)
            results.setdefault(way, []).append(found)
    return results


def tokens(way, lines):
    if way != "ours":
        return int(lines[-1])
    return sum(json.loads(line).get("tokens", 0) for line in lines)


def table(tokenizer, name, results, raw):
    print(f"\n{tokenizer}, {name} documents, {raw / 1e6:.1f} MB of raw JSON Lines from .zst, documents cut to 1000 characters, one core, "
          f"medians of {len(results['ours'])} rounds (smallest-largest)")
    print(f"{'way':18}{'CPU s':>8}{'':16}{'MB/s of CPU':>12}{'wall s':>9}{'MB':>7}{'tokens':>11}  ours is")
    middle = {way: statistics.median(r["cpu"] for r in found) for way, found in results.items()}
    for way, found in sorted(results.items(), key=lambda item: middle[item[0]]):
        cpu = [r["cpu"] for r in found]
        wall = statistics.median(r["wall"] for r in found)
        spread = f" ({min(cpu):.2f}-{max(cpu):.2f})"
        ratios = [r["cpu"] / o["cpu"] for r, o in zip(found, results["ours"])]
        print(f"{way:18}{middle[way]:8.2f}{spread:16}{raw / 1e6 / middle[way]:12.1f}{wall:9.2f}{max(r['mb'] for r in found):7.0f}"
              f"{found[0]['tokens']:11}  {statistics.median(ratios):.1f}x ({min(ratios):.1f}-{max(ratios):.1f})")


def domains(folders, rounds):
    """Ours alone, domain by domain: short documents are bound by the tokenizer, long ones by decompression. Every figure
    is of a new process, whose caches of words are empty."""
    print(f"\nours, by domain (gpt2)\n{'domain':18}{'raw MB':>8}{'CPU s':>8}{'MB/s of CPU':>13}{'wall s':>8}{'MB/s of wall':>14}")
    path = os.path.join(CORPORA, "tokenizers", "gpt2", "tokenizer.json")

    def medians(*paths):
        found = [run([OURS, path, *paths], {"RAYON_NUM_THREADS": "1"})[0] for _ in range(rounds)]
        return [statistics.median(each[key] for each in found) for key in ("cpu", "wall")]

    empty = medians()
    for name, paths in [*((os.path.basename(folder), [folder]) for folder in folders), ("all", folders)]:
        cpu, wall = (found - load for found, load in zip(medians(*paths), empty))
        raw = sum(map(raw_bytes, paths)) / 1e6
        print(f"{name:18}{raw:8.1f}{cpu:8.2f}{raw / cpu:13.1f}{wall:8.2f}{raw / wall:14.1f}")
    print(f"(starting and loading the tokenizer, {empty[1]:.3f} s, is taken away)")


def manifest(folder, folders):
    lines = ["[corpus]", "min-chars = 1", 'block = "first"', "block-chars = 1000", "held-out = 100", ""]
    for domain in folders:
        lines += [f"[domain.{os.path.basename(domain)}]", f'files = "{os.path.abspath(domain)}/part-*"', ""]
    lines += ["[tokenizer]", 'builtin = "gpt2"', ""]
    with open(os.path.join(folder, "mixmake.toml"), "w") as file:
        file.write("\n".join(lines))


def several(folders, times, holder):
    """The same files under several names each: a corpus that many times as large."""
    for domain in folders:
        folder = os.path.join(holder, os.path.basename(domain))
        os.makedirs(folder)
        for path in glob.glob(os.path.join(domain, "part-*")):
            for copy in range(times):
                name = os.path.basename(path).replace("part-", f"part-{copy}-", 1)
                os.symlink(os.path.abspath(path), os.path.join(folder, name))
    return sorted(glob.glob(os.path.join(holder, "*")))


def user(folders, rounds, raw):
    """What a user gets: `mixmake run` into an empty store, with its processes, digests and syncs; and on two cores. One core
    and two take turns."""
    if not os.path.exists(MIXMAKE):
        print(f"\n`mixmake run` is left out: no {MIXMAKE}")
        return
    print(f"\n`mixmake run 'shards/*'` of all domains into an empty store (gpt2), of the same eight times over, and the data path alone, "
          f"on one core and on two\n{'way':34}{'wall s':>8}{'':16}{'CPU s':>8}{'MB/s of wall':>14}{'MB':>7}")
    path = os.path.join(CORPORA, "tokenizers", "gpt2", "tokenizer.json")
    with tempfile.TemporaryDirectory() as holder:
        eightfold = several(folders, 8, holder)
        for name, of, times, makes in [("mixmake run", folders, 1, True), ("mixmake run, eightfold", eightfold, 8, True),
                                       ("data path", folders, 1, False)]:
            found = {1: [], 2: []}
            for _ in range(rounds):
                for cores in found:
                    with tempfile.TemporaryDirectory() as folder:
                        manifest(folder, of)
                        on = CORE if cores == 1 else f"{CORE},{(int(CORE) + 1) % os.cpu_count()}"
                        command = [MIXMAKE, "run", "-q", "-j", str(cores), "shards/*"] if makes else [OURS, path, *of]
                        environment = {"TMPDIR": folder} | ({} if makes else {"RAYON_NUM_THREADS": str(cores)})
                        result, lines = run(command, environment, on, folder)
                        if result is None:
                            print(f"{name} is left out: {lines[0]}")
                            return
                        found[cores].append(result)
            for cores, results in found.items():
                wall = [each["wall"] for each in results]
                print(f"{name + f', {cores} core' + 's' * (cores > 1):34}{statistics.median(wall):8.2f} ({min(wall):.2f}-{max(wall):.2f}){'':3}"
                      f"{statistics.median(r['cpu'] for r in results):8.2f}{times * raw / 1e6 / statistics.median(wall):14.1f}"
                      f"{max(r['mb'] for r in results):7.0f}")
            ratios = [one["wall"] / two["wall"] for one, two in zip(found[1], found[2])]
            print(f"two cores of {name}: {statistics.median(ratios):.2f}x ({min(ratios):.2f}-{max(ratios):.2f})")


def reading():
    """Batches for a training, many shards, long orders."""
    if not os.path.exists(READING):
        print(f"\nreading is left out: no {READING}")
        return
    found, lines = run([READING], cores=f"{CORE},{(int(CORE) + 1) % os.cpu_count()}")
    print("\nreading shards; batches are assembled by one thread, shards opened by two")
    for each in map(json.loads, lines):
        if each["step"] == "batches" and each["epoch"]:
            print(f"batches of random {each['unit']:8} {each['tokens-per-second'] / 1e6:8.0f} million tokens/s, "
                  f"{each['moved-gb-per-second']:.1f} GB/s read and written; a plain copy of memory moves {each['copy-gb-per-second']:.1f}")
        elif each["step"] == "opening":
            print(f"opening {each['shards']} shards: {each['seconds']:.3f} s")
        elif each["step"] == "order":
            print(f"order of {each['documents']:.2g} documents: made in {each['make-seconds'] * 1e3:.2f} ms, {each['ns-per-position']:.0f} ns a position, "
                  f"{each['memory-bytes'] / 1024:.0f} KiB")


def generated(folder):
    """Where there is no corpus: words of a Zipf distribution in short and long documents, and the built-in GPT-2."""
    import random
    import zstandard
    draw = random.Random(1)
    words = ["".join(draw.choices("etaoinshrdlucmfwypvbgkjqxz", weights=range(26, 0, -1), k=draw.randint(2, 9))) for _ in range(20_000)]
    weights = [1 / (i + 2) for i in range(len(words))]
    for domain, length, documents in [("short", 150, 20_000), ("long", 6_000, 800)]:
        os.makedirs(os.path.join(folder, "redpajama", domain))
        for part in range(2):
            lines = []
            for _ in range(documents // 2):
                text = " ".join(draw.choices(words, weights=weights, k=draw.randint(length // 2, length * 3 // 2)))
                lines.append(json.dumps({"text": text + ".\n", "meta": {"language": "en"}}))
            packed = zstandard.ZstdCompressor(9).compress("\n".join(lines).encode())
            with open(os.path.join(folder, "redpajama", domain, f"part-{part:03}.jsonl.zst"), "wb") as file:
                file.write(packed)
    os.makedirs(os.path.join(folder, "tokenizers", "gpt2"))
    subprocess.run([OURS, "--write-gpt2", os.path.join(folder, "tokenizers", "gpt2", "tokenizer.json")], check=True)


def main():
    global CORE, CORPORA, OURS, MIXMAKE, READING
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--core", default="0")
    arguments.add_argument("--sets", nargs="*", default=["all", "short", "long"], choices=["all", "short", "long"])
    arguments.add_argument("--domains", nargs="*", help="names of folders; all of them if left out")
    arguments.add_argument("--corpora", default=os.path.join(ROOT, "..", "shared", "data", "corpora"))
    arguments.add_argument("--ours", default=os.path.join(ROOT, "target", "release", "examples", "fastpass"))
    arguments.add_argument("ways", nargs="*")
    given = arguments.parse_args()
    CORE, CORPORA, OURS = given.core, given.corpora, given.ours
    READING = os.path.join(os.path.dirname(OURS), "reading")
    MIXMAKE = os.path.join(os.path.dirname(os.path.dirname(OURS)), "mixmake")
    folders = sorted(glob.glob(os.path.join(CORPORA, "redpajama", "*")))
    folders = [folder for folder in folders if not given.domains or os.path.basename(folder) in given.domains]
    if not folders:
        print(f"no corpora in {CORPORA}: generated text instead, which flatters caches of words")
        holder = tempfile.TemporaryDirectory()
        CORPORA = holder.name
        generated(CORPORA)
        folders = sorted(glob.glob(os.path.join(CORPORA, "redpajama", "*")))
    raw = sum(map(raw_bytes, folders))
    print(f"machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} (CPU seconds are compared; a loaded machine inflates them for all)")
    with tempfile.TemporaryDirectory() as written:
        sets = {name: folders if name == "all" else by_length(name, folders, written) for name in given.sets}
        for tokenizer in PEERS:
            if not os.path.exists(os.path.join(CORPORA, "tokenizers", tokenizer)):
                continue
            for name, chosen in sets.items():
                if chosen:
                    table(tokenizer, name, measure(tokenizer, chosen, given.rounds, given.ways), sum(map(raw_bytes, chosen)))
                else:
                    print(f"\n{tokenizer}: there are no {name} documents")
    domains(folders, given.rounds)
    user(folders, given.rounds, raw)
    reading()


if __name__ == "__main__":
    main()
