"""HTTP boot: large files against nginx with sendfile, and the boot script's CPU time.

The client discards in the kernel, so that it costs next to nothing on the shared cores.
"""

import json
import os
import re

import billet
from measure import Server, goal, median, ratio, run, spread

PORT = 8080
SCRIPT = "/boot/script?mac=02:00:00:00:00:01&arch=x64"


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


def drain(server, client, path, clients, size):
    text = server.pair.at_client(client, f"198.18.0.1:{PORT}", path, str(clients), str(size // clients), str(size))
    result = json.loads(text)
    if result["failed"]:
        raise SystemExit(f"bench: {server.name}: {result['first_error']}")
    return result


def requests(server, path, seconds):
    """How many small requests were answered with kept connections; failures end the bench."""
    text = server.pair.at_client("wrk", "-t1", "-c16", f"-d{seconds}s", f"http://198.18.0.1:{PORT}{path}")
    if re.search(r"Non-2xx|Socket errors", text):
        raise SystemExit(f"bench: {server.name} {path}: {text}")
    return int(re.search(r"(\d+) requests in", text).group(1))


def bench(folder, rounds, client, file_mb=1000, seconds=2):
    """nginx and ours in turn. Returns the goals that were missed."""
    root = f"{folder}/http"
    os.makedirs(f"{root}/boot/files")
    size = file_mb * 1_000_000
    with open(f"{root}/boot/files/vmlinuz", "wb") as file:
        piece = os.urandom(1_000_000)
        for _ in range(file_mb):
            file.write(piece)
    with open(f"{root}/small", "wb") as file:
        file.write(b"#!ipxe\n" + b"x" * 700)
    started = [nginx(folder, root), billet.serve(folder, kernel=f"{root}/boot/files/vmlinuz")]
    path = "/boot/files/vmlinuz"
    try:
        for server in started:
            server.wait_until(lambda: "200" in head(server, path), "HTTP")
        bytes_cost = {server.name: {1: [], 100: []} for server in started}
        speed = {server.name: {1: [], 100: []} for server in started}
        small = {server.name: [] for server in started}
        for turn in range(rounds + 1):
            for server in started:
                for clients in (1, 100):
                    result, cpu = server.cost(lambda: drain(server, client, path, clients, size))
                    # The first round brings everything into memory.
                    if turn:
                        bytes_cost[server.name][clients].append(1000 * cpu / result["MB"])
                        speed[server.name][clients].append(result["MBps"])
                count, cpu = server.cost(lambda: requests(server, "/small" if server.name == "nginx" else SCRIPT, seconds))
                if turn:
                    small[server.name].append(1e6 * cpu / max(count, 1))
        return report(bytes_cost, speed, small)
    finally:
        for server in started:
            server.end()


def head(server, path):
    return run("ip", "netns", "exec", server.pair.client, "curl", "-sI", f"http://198.18.0.1:{PORT}{path}", check=False)


def report(bytes_cost, speed, small):
    for name, cases in bytes_cost.items():
        for clients, cost in cases.items():
            print(f"http {name:7s} {clients:3d} clients: CPU s per GB {spread(cost)}, MB/s {spread(speed[name][clients])}")
        what = "a file of 700 bytes" if name == "nginx" else "a boot script"
        print(f"http {name:7s} {what}: CPU us per request {spread(small[name])}")
    ours, peer = bytes_cost["billet"], bytes_cost["nginx"]
    return [
        goal("http-image-bytes-1-client-cpu-vs-nginx", ratio(ours[1], peer[1]), "<=", 1.1),
        goal("http-image-bytes-100-clients-cpu-vs-nginx", ratio(ours[100], peer[100]), "<=", 1.1),
        goal("http-boot-script-cpu-us", median(small["billet"]), "<=", 12, "us"),
    ].count(False)
