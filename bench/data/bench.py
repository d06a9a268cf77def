#!/usr/bin/env python3
"""Text to tokens, ours beside the peers, in one run on one core of this machine.

bench.py [--rounds N] [--corpora FOLDER] [--ours PROGRAM] [WAY...] [--domains NAME...]

Every round runs every way once, each pinned to one core, over the same domains; the medians of the rounds are compared.
MB/s counts the raw JSON Lines, decompressed. CPU seconds (user and system) are what the ratios are of: they hardly
depend on what else the machine does. A peer that is not installed is named and left out.
"""
import argparse
import glob
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
PEERS = {
    "gpt2": ["datasets", "datatrove", "nanogpt", "megatron", "loop+tokenizers", "loop+tiktoken"],
    "bert-base-uncased": ["datasets"],
}


def run(command, environment=None):
    """Wall and CPU seconds, largest resident MB and last line of a pinned process."""
    start, out = time.monotonic(), tempfile.TemporaryFile()
    child = subprocess.Popen(["taskset", "-c", CORE, *command], stdout=out, stderr=subprocess.PIPE,
                             env=os.environ | (environment or {}))
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


def ways(tokenizer, folders, chosen):
    path = os.path.join(CORPORA, "tokenizers", tokenizer, "tokenizer.json")
    commands = {"ours": [OURS, path, *folders]}
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


def table(tokenizer, results, raw):
    print(f"\n{tokenizer}, {raw / 1e6:.1f} MB of raw JSON Lines from .zst, documents cut to 1000 characters, one core, "
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
    """Ours alone, domain by domain: short documents are bound by the tokenizer, long ones by decompression."""
    print(f"\nours, by domain (gpt2)\n{'domain':18}{'raw MB':>8}{'CPU s':>8}{'MB/s of CPU':>13}")
    path = os.path.join(CORPORA, "tokenizers", "gpt2", "tokenizer.json")
    empty = statistics.median(run([OURS, path], {"RAYON_NUM_THREADS": "1"})[0]["cpu"] for _ in range(rounds))
    for folder in folders:
        cpu = statistics.median(run([OURS, path, folder], {"RAYON_NUM_THREADS": "1"})[0]["cpu"] for _ in range(rounds)) - empty
        raw = raw_bytes(folder) / 1e6
        print(f"{os.path.basename(folder):18}{raw:8.1f}{cpu:8.2f}{raw / cpu:13.1f}")
    print(f"(loading the tokenizer, {empty:.3f} s, is taken away)")


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
    global CORE, CORPORA, OURS
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--core", default="0")
    arguments.add_argument("--domains", nargs="*", help="names of folders; all of them if left out")
    arguments.add_argument("--corpora", default=os.path.join(ROOT, "..", "shared", "data", "corpora"))
    arguments.add_argument("--ours", default=os.path.join(ROOT, "target", "release", "examples", "fastpass"))
    arguments.add_argument("ways", nargs="*")
    given = arguments.parse_args()
    CORE, CORPORA, OURS = given.core, given.corpora, given.ours
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
    for tokenizer in PEERS:
        if not os.path.exists(os.path.join(CORPORA, "tokenizers", tokenizer)):
            continue
        table(tokenizer, measure(tokenizer, folders, given.rounds, given.ways), raw)
    domains(folders, given.rounds)


if __name__ == "__main__":
    main()
