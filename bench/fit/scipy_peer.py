"""SciPy's side of `make bench-fit`: the same tables and starts as the example `speed`, in the same run.

Usage: scipy_peer.py SPEED_BINARY FOLDER [STARTS]; STARTS of the 200 starts are run by SciPy and scaled up (default 20).
"""

import json
import subprocess
import sys
import time

import numpy as np
from scipy.optimize import least_squares, minimize

A = np.array([2.6658731959, 6.6161755919, 2.6736027595, 2.4631072680, 2.5183840995, 2.8899578930, 3.3191739234])
B = np.array([1.2492023890, 1.4360012484, 1.5362602612, 1.8287307259, 1.1858721474, 1.9536275988, 1.9266710006])


def ddo():
    """Seven laws through three points each, then the optimum by SLSQP with its gradient."""
    x = np.array([0.2, 1.0, 3.0])
    a, b = np.empty(7), np.empty(7)
    for j in range(7):
        y = 1.0 + (x + A[j]) ** -B[j] - (1.0 + A[j]) ** -B[j]

        def residual(p):
            return (x + p[0]) ** -p[1] + p[2] - y

        def jacobian(p):
            power = (x + p[0]) ** -p[1]
            return np.column_stack([-p[1] * power / (x + p[0]), -np.log(x + p[0]) * power, np.ones(3)])

        found = least_squares(residual, [2.8, 1.6, 0.85], jacobian, bounds=([0, 0, 0], np.inf), xtol=1e-14, ftol=1e-14, gtol=1e-14)
        a[j], b[j] = found.x[:2]
    best = minimize(
        lambda n: np.sum((n + a) ** -b),
        np.ones(7),
        jac=lambda n: -b * (n + a) ** (-b - 1),
        bounds=[(0.2, None)] * 7,
        constraints={"type": "eq", "fun": lambda n: n.sum() - 7, "jac": lambda n: np.ones(7)},
        method="SLSQP",
        options={"ftol": 1e-14},
    )
    return best.x


def law(folder, count):
    """The inverse-sum law from the same inner starts: E, then ln C and ln g of each domain, with the analytic Jacobian."""
    rows = np.loadtxt(folder + "/rows.csv", delimiter=",")
    starts = np.loadtxt(folder + "/starts.csv", delimiter=",")
    h, y = rows[:, :7], rows[:, 7]
    ln_h = np.log(h)
    low = np.concatenate([[0.0], np.tile([np.log(1e-8), np.log(1e-2)], 7)])
    high = np.concatenate([[y.min()], np.tile([np.log(1e6), np.log(5.0)], 7)])

    def parts(p):
        g = np.exp(p[2::2])
        value = np.exp(p[1::2] + g * ln_h)
        return value, g, value.sum(axis=1)

    def residual(p):
        return p[0] + 1.0 / parts(p)[2] - y

    def jacobian(p):
        value, g, total = parts(p)
        by_c = -value / (total**2)[:, None]
        out = np.empty((len(y), 15))
        out[:, 0] = 1.0
        out[:, 1::2] = by_c
        out[:, 2::2] = by_c * g * ln_h
        return out

    costs, wall, cpu = [], 0.0, 0.0
    for start in starts[:count]:
        begin, used = time.perf_counter(), time.process_time()
        found = least_squares(residual, np.clip(start, low + 1e-12, high - 1e-12), jacobian, bounds=(low, high), x_scale="jac", max_nfev=400)
        wall += time.perf_counter() - begin
        cpu += time.process_time() - used
        costs.append(found.cost)
    scale = 1e3 * len(starts) / count
    return min(costs), wall * scale, cpu * scale, len(starts)


def ratio(ours, theirs):
    """Wall and CPU milliseconds of both, and theirs over ours."""
    pairs = zip(("wall", "CPU"), ours, theirs)
    return "; ".join(f"{name} {mine:.4g} ms, SciPy {peer:.4g} ms: {peer / max(mine, 1e-9):.0f} x" for name, mine, peer in pairs)


def main():
    binary, folder = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    ours = json.loads(subprocess.run([binary, folder], check=True, capture_output=True, text=True).stdout)
    walls, used = [], time.process_time()
    for _ in range(9):
        begin = time.perf_counter()
        optimum = ddo()
        walls.append((time.perf_counter() - begin) * 1e3)
    theirs = sorted(walls)[4], (time.process_time() - used) / 9 * 1e3
    published = [1.62475352, 0.2, 1.27415166, 1.17979573, 1.85189980, 0.63716376, 0.23223551]
    miss = np.abs(optimum - published).max()
    print("DDO, 7 domains, fit and optimum:", ratio(ours["ddo_ms"], theirs), f"(SciPy's optimum is {miss:.0e} off)")
    wall, cpu = ours["draws_ms"]
    print(f"10,000 bootstrap fits of DDO: wall {wall:.0f} ms on {ours['threads']} threads, CPU {cpu:.0f} ms")
    cost, wall, cpu, starts = law(folder, count)
    print(f"inverse-sum, 7 domains, 2,500 rows, {starts} starts (SciPy's time from {count}):", ratio(ours["fit_ms"], (wall, cpu)))
    print(f"  half the sum of squares: {ours['fit_cost']:.12f}, SciPy {cost:.12f}")
    if ours["fit_cost"] > cost * (1 + 1e-9):
        sys.exit("our error is worse than SciPy's")


if __name__ == "__main__":
    main()
