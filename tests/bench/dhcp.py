"""DHCP: exchanges of four messages by perfdhcp, through a relay's address, against Kea with its memory file.

perfdhcp plays a relay (giaddr is its own address) that has as many clients as we want. Kea writes its leases
without fsync; ours are durable before the ACK.
"""

import json
import re
import time

import billet
from measure import Server, goal, ratio, spread

FIRST, LAST = "198.18.1.0", "198.19.255.250"


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
    return Server("kea", ["kea-dhcp4", "-c", f"{folder}/kea.json"], folder,
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


def bench(folder, rounds, rates=(1000, 4000), seconds=3, clients=1000):
    """Kea and ours in turn. Returns the goals that were missed."""
    servers = [kea(folder), billet.serve(folder, first=FIRST, last=LAST)]
    try:
        for server in servers:
            server.wait_until(lambda: perfdhcp(server, "-n", "20", "-r", "20", "-W", "1000000")["acks"] >= 1, "DHCP")
        rows = {server.name: {"rss": [], "avalanche": [], **{rate: [] for rate in rates}} for server in servers}
        number = 1
        for _ in range(rounds):
            for server in servers:
                for rate in rates:
                    rows[server.name][rate].append(exchanges(server, rate, seconds, number))
                    number += 1
                rows[server.name]["avalanche"].append(avalanche(server, clients, number))
                rows[server.name]["rss"].append(server.group.rss())
                number += 1
        return report(rows, rates, clients)
    finally:
        for server in servers:
            server.end()


def report(rows, rates, clients):
    ours, peer = rows["billet"], rows["kea"]
    for name, row in rows.items():
        for rate in rates:
            cpu, done, delay = ([run[index] for run in row[rate]] for index in range(3))
            print(f"dhcp {name:7s} offered {rate:5d}/s: CPU us per exchange {spread(cpu)}, "
                  f"done per second {spread(done)}, delay ms {spread(delay)}")
        print(f"dhcp {name:7s} avalanche of {clients}: seconds to the last lease {spread(row['avalanche'])}, RSS MiB {max(row['rss']):.0f}")
    met = []
    for rate in rates:
        cost = ratio([run[0] for run in ours[rate]], [run[0] for run in peer[rate]])
        met.append(goal(f"dhcp-cpu-per-exchange-at-{rate}-vs-kea", cost, "<=", 0.25))
    met.append(goal("dhcp-avalanche-last-lease-vs-kea", ratio(ours["avalanche"], peer["avalanche"]), "<=", 0.5))
    return met.count(False)
