"""TFTP: lock-step against dnsmasq, windows against atftpd, and async-tftp as the yardstick of what a library does."""

import json
import os

import billet
from measure import Server, goal, ratio, spread

#: Clients, block size, window.
LOCK_STEP = (1, 1468, 0)
MANY = (200, 1468, 0)
WINDOW = (1, 1468, 32)
SMALL = (1, 512, 0)
CASES = (SMALL, LOCK_STEP, MANY, WINDOW)


def servers(folder, root, yardstick):
    """The peers' commands and ours; all serve the same file."""
    path = f"{root}/vmlinuz"
    dnsmasq = ["dnsmasq", "-k", "-p0", "-C", "/dev/null", "--enable-tftp", f"--tftp-root={root}", "--user=root",
               "--tftp-max=1000", "--log-facility=/dev/null", "--interface=v0"]
    atftpd = [os.environ.get("ATFTPD", "atftpd"), "--daemon", "--no-fork", "--user", "root.root", "--port", "69",
              "--maxthread", "1000", "--logfile", "/dev/null", "--verbose=0", root]
    started = [Server("dnsmasq", dnsmasq, folder), Server("atftpd", atftpd, folder)]
    started.append(Server("async-tftp", [yardstick, "198.18.0.1:69", root], folder))
    started.append(billet.serve(folder, kernel=path))
    return started


def fetch(server, client, case, repeat=1):
    clients, block, window = case
    text = server.pair.at_client(client, "198.18.0.1:69", "vmlinuz", str(clients), str(block), str(window), str(repeat),
                                 "1000", "0", timeout=180)
    return json.loads(text)


def bench(folder, rounds, client, yardstick, file_mb=4):
    """All servers in turn, case by case. Returns the goals that were missed."""
    root = f"{folder}/tftp"
    os.mkdir(root)
    os.chmod(folder, 0o755)
    with open(f"{root}/vmlinuz", "wb") as file:
        file.write(os.urandom(file_mb * 1_000_000))
    started = servers(folder, root, yardstick)
    try:
        for server in started:
            server.wait_until(lambda: not fetch_once(server, client), "TFTP")
        costs = {server.name: {case: [] for case in CASES} for server in started}
        speeds = {server.name: {case: [] for case in CASES} for server in started}
        failed = {server.name: 0 for server in started}
        for _ in range(rounds):
            for case in CASES:
                for server in started:
                    repeat = 1 if case[0] > 1 else 8
                    result, cpu = server.cost(lambda: fetch(server, client, case, repeat))
                    costs[server.name][case].append(1000 * cpu / max(result["MB"], 0.001))
                    speeds[server.name][case].append(result["MBps"])
                    failed[server.name] += result["failed"]
        return report(costs, speeds, failed)
    finally:
        for server in started:
            server.end()


def fetch_once(server, client):
    """How many of one client's transfers failed."""
    return fetch(server, client, LOCK_STEP)["failed"]


def report(costs, speeds, failed):
    for name, cases in costs.items():
        for case, cost in cases.items():
            clients, block, window = case
            print(f"tftp {name:10s} {clients:3d} clients, blocks of {block}, window {window or 1}: CPU s per GB {spread(cost)}, "
                  f"MB/s {spread(speeds[name][case])}")
        if failed[name]:
            print(f"tftp {name:10s} {failed[name]} transfers failed")
    ours = costs["billet"]
    return [
        goal("tftp-lock-step-cpu-vs-dnsmasq", ratio(ours[LOCK_STEP], costs["dnsmasq"][LOCK_STEP]), "<=", 1.0),
        goal("tftp-lock-step-200-clients-cpu-vs-dnsmasq", ratio(ours[MANY], costs["dnsmasq"][MANY]), "<=", 1.0),
        goal("tftp-window-32-cpu-vs-atftpd", ratio(ours[WINDOW], costs["atftpd"][WINDOW]), "<=", 1 / 3),
        goal("tftp-failed-transfers", failed["billet"], "<=", 0),
    ].count(False)
