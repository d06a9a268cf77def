"""Training speed beside its peers, all on this machine in one run: `make bench-train`.

Every round runs each contender once on each case, in processes of their own, one after the other; the
table gives the median over rounds and the spread of the ratios within rounds. Where there is a GPU its
cases run, else the CPU's. `--cases NAME…`, `--rounds N`, `--json FILE`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OURS = ROOT / "target/release/examples/throughput"

GPT2 = {"architecture": "gpt2"}
BERT = {"architecture": "bert"}
CPU = {
    "gpt2-2M": {**GPT2, "layers": 4, "hidden": 192, "heads": 6, "context": 256, "vocabulary": 2048, "rows": 8, "steps": 18},
    "gpt2-20M": {**GPT2, "layers": 8, "hidden": 384, "heads": 6, "context": 512, "vocabulary": 16384, "rows": 4, "steps": 9},
    "bert-2M": {**BERT, "layers": 4, "hidden": 128, "heads": 4, "context": 300, "vocabulary": 8192, "rows": 12, "steps": 18, "shortest": 180},
    "bert-20M": {**BERT, "layers": 6, "hidden": 320, "heads": 5, "context": 300, "vocabulary": 30522, "rows": 12, "steps": 9, "shortest": 180},
}  # fmt: skip
GPU = {
    "gpt2-20M": {**GPT2, "layers": 8, "hidden": 384, "heads": 6, "context": 1024, "vocabulary": 16384, "rows": 80, "steps": 96},
    "gpt2-small": {**GPT2, "layers": 12, "hidden": 768, "heads": 12, "context": 1024, "vocabulary": 50257, "rows": 80, "steps": 48},
    "gpt2-large": {**GPT2, "layers": 36, "hidden": 1280, "heads": 20, "context": 1024, "vocabulary": 50257, "rows": 80, "steps": 24, "pieces": 5},
    "bert-base": {**BERT, "layers": 12, "hidden": 768, "heads": 12, "context": 300, "vocabulary": 30522, "rows": 48, "steps": 96, "shortest": 180},
}  # fmt: skip
# bf16 with fp32 sums, dense; FLOPs a second.
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12, "B200": 2250e12}
EXTRA = ("pieces",)  # of the peers alone: ours finds what fits


def ours(case):
    case = {key: value for key, value in case.items() if key not in EXTRA}
    return [str(OURS), json.dumps(case)]


def peer(kind, case):
    return [sys.executable, str(HERE / "peers.py"), kind, json.dumps(case)]


def start(command, threads):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(process):
    out, err = process.communicate()
    if process.returncode != 0:
        return {"failed": (err.strip().splitlines() or ["no word"])[-1][:160]}
    return json.loads(out.strip().splitlines()[-1])


def gpu_name():
    try:
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def machine(gpu):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{gpu or model}, {os.cpu_count()} CPU cores"


def measure(name, case, kinds, rounds, together):
    """Results by contender, a list over rounds; `together` of ours at once as one more contender."""
    found = {}
    for _ in range(rounds):
        commands = {"mixmake": ours(case), **{kind: peer(kind, case) for kind in kinds}}
        for kind, command in commands.items():
            found.setdefault(kind, []).append(finish(start(command, case["threads"])))
            print(f"  {name} {kind}: {found[kind][-1].get('tokens_per_second', found[kind][-1])}", file=sys.stderr)
        if together > 1:
            results = [finish(process) for process in [start(ours(case), case["threads"]) for _ in range(together)]]
            failed = next((result for result in results if "failed" in result), None)
            rate = lambda field: sum(result.get(field, 0) for result in results)
            found.setdefault(f"mixmake x{together}", []).append(failed or {**results[0], "tokens_per_second": rate("tokens_per_second_overall")})
    return found


def rows(name, case, found, peak):
    """Lines of the table."""
    flops = next((result["flops_per_token"] for result in found["mixmake"] if "flops_per_token" in result), None)
    for kind, results in found.items():
        good = [result for result in results if "failed" not in result]
        if not good:
            yield f"| {name} | {kind} | failed: {results[0]['failed']} | | | |"
            continue
        rate = statistics.median(result["tokens_per_second"] for result in good)
        pairs = [(a["tokens_per_second"], b["tokens_per_second"]) for a, b in zip(found["mixmake"], results) if "failed" not in a and "failed" not in b]
        ratios = [b / a if kind.startswith("mixmake") else a / b for a, b in pairs]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if kind != "mixmake" and ratios else ""
        work = rate * flops if flops else 0
        utilisation = f"{100 * work / peak:.1f} %" if peak else f"{work / 1e9:.1f} GFLOP/s"
        memory = max(result["peak_bytes"] or 0 for result in good) / 1e9
        yield f"| {name} | {kind} | {rate:,.0f} | {utilisation} | {memory:.2f} GB | {ratio} |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    gpu = gpu_name()
    cases = GPU if gpu else CPU
    peers = options.peers if options.peers is not None else ["eager", "compiled", "trainer"]
    peak = next((peak for name, peak in PEAKS.items() if gpu and name in gpu), None)
    print(f"{machine(gpu)}; {options.threads} CPU threads a run, {options.rounds} rounds; utilisation of 6N + 12 L d T FLOPs a token\n")
    print("| case | contender | tokens/s | utilisation | peak memory | mixmake is so many times as fast |")
    print("|---|---|---:|---:|---:|---:|", flush=True)
    everything = {}
    for name in options.cases or cases:
        case = dict(cases[name], threads=options.threads)
        # What one device gives several small runs at once.
        together = (4 if gpu else 2) if name.endswith("M") else 1
        found = measure(name, case, peers, options.rounds, together)
        everything[name] = found
        print("\n".join(rows(name, case, found, peak)), flush=True)
    print("\nThe last column of `mixmake xN`: N runs at once against one, in all.")
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1) + "\n")


main()
