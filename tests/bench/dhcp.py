"""DHCP: exchanges of four messages by perfdhcp, through a relay's address, against Kea with its memory file.

perfdhcp plays a relay (giaddr is its own address) that has as many clients as we want. Kea writes its leases
without fsync; ours are durable before the ACK.
"""

import json
import re
import shutil
import time

import billet
from measure import Server
from needs import Needs, build_release, debian_versions
from report import Findings, Goal, ratios, spread

NAME = "dhcp"
RATES = (1000, 4000)
GOALS = [
    *(Goal(f"dhcp-cpu-per-exchange-at-{rate}-vs-kea", "<=", 0.25) for rate in RATES),
    Goal("dhcp-avalanche-last-lease-vs-kea", "<=", 0.5),
]
FIRST, LAST = "198.18.1.0", "198.19.255.250"


def packages():
    return Needs(debian=("kea-dhcp4-server", "kea-admin", "iproute2"), root=True)


def versions():
    return debian_versions(Kea="kea-dhcp4-server")


def build():
    build_release("provisioner")


def kea(folder):
    """Kea's command: one thread, leases in a file, as it is installed."""
    config = {"Dhcp4": {
        "interfaces-config": {"interfaces": ["v0"], "dhcp-socket-type": "udp"},
        "lease-database": {"type": "memfile", "persist": True, "name": f"{folder}/kea-leases.csv"},
        "valid-lifetime": 3600, "multi-threading": {"enable-multi-threading": False},
        "subnet4": [{"id": 1, "subnet": "198.18.0.0/15", "pools": [{"pool": f"{FIRST} - {LAST}"}],
                     "option-data": [{"name": "routers", "data": "198.18.0.1"}]}],
        "loggers": [{"name": "kea-dhcp4", "severity": "ERROR", "output_options": [{"output": f"{folder}/kea.err"}]}],
    }}
    with open(f"{folder}/kea.json", "w") as file:
        json.dump(config, file)
    # Debian's AppArmor profile goes by the program's path, and keeps that one from all files but its own.
    program = shutil.copy2(shutil.which("kea-dhcp4", path="/usr/sbin:/usr/bin") or "kea-dhcp4", f"{folder}/kea-dhcp4")
    return Server("kea", [program, "-c", f"{folder}/kea.json"], folder,
                  {"KEA_PIDFILE_DIR": folder, "KEA_LOCKFILE_DIR": "none"})


def mac(number):
    return "02:00:" + ":".join(f"{number >> shift & 255:02x}" for shift in (24, 16, 8, 0))


def perfdhcp(server, *arguments, timeout=120):
    """One run; what was sent and received, DISCOVER/OFFER first, REQUEST/ACK second."""
    text = server.pair.at_client("perfdhcp", "-4", *arguments, "-l", "198.18.0.2", "198.18.0.1",
                                 timeout=timeout, check=False)
    numbers = lambda key: [float(value) for value in re.findall(rf"{key}:\s*([\d.]+)", text)]
    received = numbers("received packets")
    return {"acks": received[1] if len(received) > 1 else 0, "sent": numbers("sent packets"), "delay": numbers("avg delay")}


def exchanges(server, rate, seconds, number):
    """CPU microseconds per exchange and exchanges per second at this rate."""
    arguments = ("-r", str(rate), "-R", "50000", "-p", str(seconds), "-W", "500000", "-b", f"mac={mac(number << 20)}")
    result, cpu = server.cost(lambda: perfdhcp(server, *arguments))
    done = max(result["acks"], 1)
    return 1e6 * cpu / done, done / seconds, sum(result["delay"][:2])


def avalanche(server, clients, number):
    """Seconds until the last of many clients that start at once has its lease."""
    start = time.monotonic()
    perfdhcp(server, "--scenario", "avalanche", "-R", str(clients), "-b", f"mac={mac(number << 20)}")
    return time.monotonic() - start


def run(rounds, quick, folder):
    """Kea and ours in turn."""
    seconds, clients = (1, 200) if quick else (2, 1000)
    servers = []
    try:
        servers.append(kea(folder))
        servers.append(billet.serve(folder, first=FIRST, last=LAST))
        for server in servers:
            server.wait_until(lambda: perfdhcp(server, "-n", "20", "-r", "20", "-W", "1000000")["acks"] >= 1, "DHCP")
        rows = {server.name: {"rss": [], "avalanche": [], **{rate: [] for rate in RATES}} for server in servers}
        number = 1
        for _ in range(rounds):
            for server in servers:
                for rate in RATES:
                    rows[server.name][rate].append(exchanges(server, rate, seconds, number))
                    number += 1
                rows[server.name]["avalanche"].append(avalanche(server, clients, number))
                rows[server.name]["rss"].append(server.group.rss())
                number += 1
        return judge(rows, clients)
    finally:
        for server in servers:
            server.end()


def judge(rows, clients):
    findings = Findings(NAME, GOALS)
    ours, peer = rows["billet"], rows["kea"]
    table = []
    for rate in RATES:
        of = lambda row, index: [run[index] for run in row[rate]]
        cost = ratios(of(ours, 0), of(peer, 0))
        findings.measured(f"dhcp-cpu-per-exchange-at-{rate}-vs-kea", cost)
        what = ("CPU µs per exchange", "exchanges a second", "mean delay of both answers together, ms")
        for index, words in enumerate(what):
            row = [f"{words}, {rate} a second offered", spread(of(peer, index)), spread(of(ours, index))]
            table.append([*row, spread(cost) if index == 0 else ""])
    last = ratios(ours["avalanche"], peer["avalanche"])
    findings.measured("dhcp-avalanche-last-lease-vs-kea", last)
    words = f"{clients} clients at once, seconds to the last lease"
    table.append([words, spread(peer["avalanche"]), spread(ours["avalanche"]), spread(last)])
    table.append(["resident memory, MiB", spread(peer["rss"]), spread(ours["rss"]), ""])
    findings.table(["", "Kea", "Billet", "ratio"], table)
    return findings
