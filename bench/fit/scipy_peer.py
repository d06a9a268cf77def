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

    costs, seconds = [], []
    for start in starts[:count]:
        begin = time.perf_counter()
        found = least_squares(residual, np.clip(start, low + 1e-12, high - 1e-12), jacobian, bounds=(low, high), x_scale="jac", max_nfev=400)
        seconds.append(time.perf_counter() - begin)
        costs.append(found.cost)
    return min(costs), sum(seconds) / count * len(starts), len(starts)


def main():
    binary, folder = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    ours = json.loads(subprocess.run([binary, folder], check=True, capture_output=True, text=True).stdout)
    times = []
    for _ in range(9):
        begin = time.perf_counter()
        optimum = ddo()
        times.append((time.perf_counter() - begin) * 1e3)
    times.sort()
    published = [1.62475352, 0.2, 1.27415166, 1.17979573, 1.85189980, 0.63716376, 0.23223551]
    miss = np.abs(optimum - published).max()
    best, median = ours["ddo_ms"]
    print(f"DDO, 7 domains, fit and optimum: ours {median:.4f} ms (best {best:.4f}), SciPy {times[4]:.1f} ms (best {times[0]:.1f}, misses the optimum by {miss:.0e}): {times[4] / median:.0f} x (best to best {times[0] / best:.0f} x)")
    best, median = ours["draws_ms"]
    print(f"10,000 bootstrap fits of DDO: {median:.0f} ms (best {best:.0f}) on {ours['threads']} threads")
    cost, seconds, starts = law(folder, count)
    best, median = ours["fit_ms"]
    print(f"inverse-sum, 7 domains, 2,500 rows, {starts} starts: ours {median:.0f} ms (best {best:.0f}, cost {ours['fit_cost']:.9f}), SciPy {seconds * 1e3:.0f} ms (from {count} starts, cost {cost:.9f}): {seconds * 1e3 / median:.0f} x (best {seconds * 1e3 / best:.0f} x)")
    if ours["fit_cost"] > cost * (1 + 1e-9):
        sys.exit("our error is worse than SciPy's")


if __name__ == "__main__":
    main()
