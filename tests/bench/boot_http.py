"""HTTP boot: large files against nginx with sendfile, and the boot script's CPU time.

The client discards in the kernel, so that it costs next to nothing on the shared cores.
"""

import json
import os
import re

import billet
from measure import Server, run as command
from needs import RELEASE, Needs, build_release, debian_versions
from report import Findings, Goal, Unable, ratios, spread

NAME = "http"
GOALS = [
    Goal("http-image-bytes-1-client-cpu-vs-nginx", "<=", 1.1),
    Goal("http-image-bytes-100-clients-cpu-vs-nginx", "<=", 1.1),
    Goal("http-boot-script-cpu-us", "<=", 12, "µs"),
]
CLIENT = f"{RELEASE}/examples/http_drain"
PORT = 8080
SCRIPT = "/boot/script?mac=02:00:00:00:00:01&arch=x64"


def packages():
    return Needs(debian=("nginx-light", "wrk", "curl", "iproute2"), root=True)


def versions():
    return debian_versions(nginx="nginx-light")


def build():
    build_release("provisioner")
    build_release("pxe", "http_drain")


def nginx(folder, root):
    """nginx with sendfile and as many workers as there are processors."""
    with open(f"{folder}/nginx.conf", "w") as file:
        file.write(f"""
user root; worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; sendfile_max_chunk 2m; tcp_nopush on;
  client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
  uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
  server {{ listen 198.18.0.1:{PORT}; root {root}; }} }}
""")
    return Server("nginx", ["nginx", "-c", f"{folder}/nginx.conf"], folder)


def drain(server, path, clients, size):
    text = server.pair.at_client(CLIENT, f"198.18.0.1:{PORT}", path, str(clients), str(size // clients), str(size))
    result = json.loads(text)
    if result["failed"]:
        raise Unable(f"{server.name}: {result['first_error']}")
    return result


def requests(server, path, seconds):
    """How many small requests were answered with kept connections; failures end the bench."""
    text = server.pair.at_client("wrk", "-t1", "-c16", f"-d{seconds}s", f"http://198.18.0.1:{PORT}{path}")
    if re.search(r"Non-2xx|Socket errors", text):
        raise Unable(f"{server.name} {path}: {text}")
    return int(re.search(r"(\d+) requests in", text).group(1))


def run(rounds, quick, folder):
    """nginx and ours in turn."""
    megabytes, seconds = (200, 1) if quick else (1000, 2)
    root = f"{folder}/http"
    os.makedirs(f"{root}/boot/files")
    size = megabytes * 1_000_000
    path = "/boot/files/vmlinuz"
    with open(root + path, "wb") as file:
        piece = os.urandom(1_000_000)
        for _ in range(megabytes):
            file.write(piece)
    with open(f"{root}/small", "wb") as file:
        file.write(b"#!ipxe\n" + b"x" * 700)
    started = []
    try:
        started.append(nginx(folder, root))
        started.append(billet.serve(folder, kernel=root + path))
        for server in started:
            server.wait_until(lambda: "200" in head(server, path), "HTTP")
        rows = {server.name: {"cost": {1: [], 100: []}, "speed": {1: [], 100: []}, "small": []} for server in started}
        for turn in range(rounds + 1):
            for server in started:
                found = turn_of(server, path, size, seconds)
                # The first round brings everything into memory.
                if turn:
                    keep(rows[server.name], found)
        return judge(rows)
    finally:
        for server in started:
            server.end()


def turn_of(server, path, size, seconds):
    """One round of one server: cost and speed by clients, and the cost of a small answer."""
    bytes_of = {}
    for clients in (1, 100):
        result, cpu = server.cost(lambda: drain(server, path, clients, size))
        bytes_of[clients] = 1000 * cpu / result["MB"], result["MBps"]
    count, cpu = server.cost(lambda: requests(server, "/small" if server.name == "nginx" else SCRIPT, seconds))
    return bytes_of, 1e6 * cpu / max(count, 1)


def keep(row, found):
    bytes_of, small = found
    for clients, (cost, speed) in bytes_of.items():
        row["cost"][clients].append(cost)
        row["speed"][clients].append(speed)
    row["small"].append(small)


def head(server, path):
    inside = ("ip", "netns", "exec", server.pair.client)
    return command(*inside, "curl", "-sI", f"http://198.18.0.1:{PORT}{path}", check=False)


def judge(rows):
    findings = Findings(NAME, GOALS)
    peer, ours = rows["nginx"], rows["billet"]
    table = []
    for clients, words in ((1, "1 client"), (100, "100 clients")):
        cost = ratios(ours["cost"][clients], peer["cost"][clients])
        findings.measured(f"http-image-bytes-{words.replace(' ', '-')}-cpu-vs-nginx", cost)
        table.append([f"CPU s per GB, {words}", spread(peer["cost"][clients]), spread(ours["cost"][clients]), spread(cost)])
        table.append([f"MB a second, {words}", spread(peer["speed"][clients]), spread(ours["speed"][clients]), ""])
    small = "CPU µs per request: a file of 700 bytes, a boot script"
    table.append([small, spread(peer["small"]), spread(ours["small"]), spread(ratios(ours["small"], peer["small"]))])
    findings.table(["", "nginx", "Billet", "ratio"], table)
    findings.measured("http-boot-script-cpu-us", ours["small"])
    return findings
