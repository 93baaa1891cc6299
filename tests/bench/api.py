"""The API against OpenStack Ironic's: machines made, read and listed, and a hundred that take no time taken to an
operating system.

Only the servers' CPU counts. Ours speaks TLS, Ironic plain HTTP. Ironic's nodes have a fake driver, so that nothing of
their way is waiting; ours are machines of the simulated fleet, which boot and run the agent.
"""

import http.client
import json
import ssl
import threading
import time

import billet
import fleet
from ironic import Ironic
from measure import cost_of, free_port
from needs import Needs, python_environment, python_version
from report import Findings, Goal, Unable, number, ratios, spread

NAME = "api"
GOALS = [
    Goal("api-get-cpu-vs-ironic", "<=", 1 / 30),
    Goal("api-create-cpu-vs-ironic", "<=", 1 / 30),
    Goal("api-list-1000-detail-cpu-vs-ironic", "<=", 1 / 30),
    Goal("enrol-to-active-cpu-vs-ironic", "<=", 1 / 30),
    Goal("enrol-to-active-cpu", "<=", 8, "ms"),
    Goal("enrol-to-active-time", "<=", 4, "s"),
    Goal("api-list-page-p99-of-10000", "<=", 50, "ms"),
    Goal("api-memory-of-10000", "<=", 150, "MiB"),
    Goal("api-idle-cpu-of-10000", "<=", 0.1, "%"),
]
#: Those that take minutes.
LONG_GOALS = [goal.name for goal in GOALS[2:]]
CONNECTIONS = 8
#: The rows of the table, in order.
WORDS = {
    "create": "create a machine (Ironic: the node alone)",
    "port": "Ironic: create its port",
    "get": "read one",
    "list 100": "list 100 with all details",
    "list 1000": "list 1000 with all details",
    "active": "from enrolled to an operating system, each of 100",
}
#: How many go that way. Ironic's nodes cost half as much when they are only thirty at once.
MACHINES = 100
#: How many of ours are made and read, and how often they are listed for once of Ironic's: enough clock ticks of CPU time.
MADE, READ, LISTED = 200, 2000, 10
#: A large site: how many machines, pages of how many are asked for, how often, and how long it rests, in seconds.
SITE, PAGE, PAGES, REST = 10_000, 100, 1000, 60


def packages():
    return Needs(debian=("python3-venv",))


def versions():
    return {"Ironic": python_version(python_environment("ironic"), "ironic")}


def build():
    python_environment("ironic")
    fleet.build()


def mac(number_of, kind):
    return f"02:{kind:02x}:" + ":".join(f"{number_of >> shift & 255:02x}" for shift in (24, 16, 8, 0))


class Client:
    """Requests over kept connections. What differs between the two is in `Nodes` and `Machines`."""

    headers = {}
    server = None

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)

    def request(self, connection, method, path, body=None):
        """One answer. Ironic refuses while a node is locked or no worker is free; all its clients repeat."""
        for _ in range(200):
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json", **self.headers})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status < 400:
                return json.loads(said) if said else None
            if answer.status not in (409, 503):
                raise Unable(f"{method} {path}: {answer.status} {said[:300]!r}")
            time.sleep(0.2)
        raise Unable(f"{method} {path}: refused for ever: {said[:300]!r}")

    def alone(self, method, path, body=None):
        connection = self.connection()
        try:
            return self.request(connection, method, path, body)
        finally:
            connection.close()

    def ready(self, path):
        """Waits until it answers."""
        for _ in range(240):
            if self.server.process.poll() is not None:
                raise Unable(f"{type(self.server).__name__} has ended")
            try:
                return self.alone("GET", path)
            except (OSError, http.client.HTTPException):
                time.sleep(0.25)
        raise Unable(f"{type(self.server).__name__} does not answer")

    def many(self, requests):
        """All of them over some connections; the answers."""
        waiting = iter(list(enumerate(requests)))
        answers, failures, lock = [None] * len(requests), [], threading.Lock()

        def work():
            connection = self.connection()
            try:
                while not failures:
                    with lock:
                        index, request = next(waiting, (None, None))
                    if index is None:
                        return
                    answers[index] = self.request(connection, *request)
            except Exception as error:  # told by the caller
                failures.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return answers

    def cost(self, requests):
        """CPU ms of the server for each request, and the answers."""
        answers, seconds = cost_of(self.server.group, lambda: self.many(requests))
        return 1000 * seconds / len(requests), answers


class Nodes(Client):
    """Ironic."""

    headers = {"X-OpenStack-Ironic-API-Version": "1.80"}

    def __init__(self, folder):
        self.server = Ironic(f"{folder}/ironic", free_port())
        self.made = 0

    def wait(self):
        self.ready("/v1/nodes?limit=1")

    def create(self, count):
        """Nodes without ports: what each costs, and the ids."""
        properties = {"cpu_arch": "x86_64", "cpus": 8, "memory_mb": 65536}
        body = {"driver": "fake-hardware", "properties": properties, "resource_class": "baremetal"}
        numbers = range(self.made, self.made + count)
        self.made += count
        cost, answers = self.cost([("POST", "/v1/nodes", {**body, "name": f"m{number_of}"}) for number_of in numbers])
        return cost, [answer["uuid"] for answer in answers]

    def create_ports(self, ids):
        """A port for each of the nodes that were made last."""
        numbers = range(self.made - len(ids), self.made)
        ports = [{"node_uuid": node_id, "address": mac(number_of, 1)} for node_id, number_of in zip(ids, numbers, strict=True)]
        return self.cost([("POST", "/v1/ports", body) for body in ports])[0]

    def get(self, ids):
        return self.cost([("GET", f"/v1/nodes/{node_id}") for node_id in ids])[0]

    def listed(self, limit, times):
        cost, answers = self.cost([("GET", f"/v1/nodes?detail=true&limit={limit}")] * times)
        return cost, len(answers[0]["nodes"])

    def to_active(self, ids):
        """CPU seconds and time of the whole way."""
        def work():
            for target, state in (("manage", "manageable"), ("provide", "available"), ("active", "active")):
                path = "/v1/nodes/{}/states/provision"
                self.many([("PUT", path.format(node_id), {"target": target}) for node_id in ids])
                self.until(ids, state)
        begun = time.monotonic()
        _, cpu = cost_of(self.server.group, work)
        return cpu, time.monotonic() - begun

    def until(self, ids, state):
        """Looks every two seconds, by the cheapest question that there is."""
        for _ in range(300):
            found = self.alone("GET", f"/v1/nodes?provision_state={state}&fields=uuid&limit=1000")["nodes"]
            if set(ids) <= {node["uuid"] for node in found}:
                return
            time.sleep(2)
        raise Unable(f"Ironic's nodes don't become {state}")


class Machines(Client):
    """Ours."""

    def __init__(self, folder):
        self.server = billet.Service(folder, free_port())
        self.made = 0

    def wait(self):
        token, ca = self.server.credentials()
        self.headers = {"Authorization": f"Bearer {token}"}
        self.tls = ssl.create_default_context(cafile=ca)
        self.ready("/v1/machines?limit=1")

    def connection(self):
        return http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=120, context=self.tls)

    def create(self, count):
        """Machines that a person switches: nothing is talked to, but all that the service does with them counts."""
        numbers = range(self.made, self.made + count)
        self.made += count
        bodies = [{"name": f"m{number_of}", "macs": [mac(number_of, 2)], "bmc": {"protocol": "manual"}} for number_of in numbers]
        cost, answers = self.cost([("POST", "/v1/machines", body) for body in bodies])
        return cost, [answer["id"] for answer in answers]

    def get(self, ids):
        return self.cost([("GET", f"/v1/machines/{machine}") for machine in ids])[0]

    def listed(self, limit, times):
        cost, answers = self.cost([("GET", f"/v1/machines?limit={limit}")] * times)
        return cost, len(answers[0]["items"])


def run(rounds, quick, folder):
    """Ironic and ours in turn."""
    many, some = (200, 20) if quick else (1000, MACHINES)
    costs = {side: {what: [] for what in WORDS} for side in ("Ironic", "Billet")}
    notes = {}
    nodes = machines = None
    try:
        nodes, machines = Nodes(folder), Machines(folder)
        for client in (nodes, machines):
            client.wait()
            client.create(many)
        for _ in range(rounds):
            one_round(costs, nodes, machines, many, some)
            if not quick:
                way(costs, notes, nodes, folder)
    finally:
        for client in (nodes, machines):
            if client:
                client.server.end()
    findings = judge(costs, notes, many, quick)
    if not quick:
        large_site(findings, folder)
    return findings


def large_site(findings, folder):
    """Ten thousand machines whose BMC is a person: nobody asks them anything. One client goes through the list, page after
    page; the time is the client's own, with its TLS and its JSON.
    """
    site = Machines(f"{folder}/site")
    try:
        site.wait()
        site.create(SITE)
        # What follows from their making is over when the service rests.
        settle(site.server.group)
        took = page_through(site)
        settle(site.server.group)
        memory = site.server.group.rss()
        _, cpu = cost_of(site.server.group, lambda: time.sleep(REST))
    finally:
        site.server.end()
    p99 = sorted(took)[len(took) * 99 // 100]
    findings.measured("api-list-page-p99-of-10000", p99)
    findings.measured("api-memory-of-10000", memory)
    findings.measured("api-idle-cpu-of-10000", 100 * cpu / REST)
    rows = [[f"ms for a page of {PAGE}: half of them, 99 %", f"{number(sorted(took)[len(took) // 2])}, {number(p99)}"],
            ["resident memory at rest, MiB", number(memory)], ["% of a core at rest", number(100 * cpu / REST)]]
    findings.table([f"{SITE} machines, nobody asks them anything", ""], rows)


def page_through(site):
    """The milliseconds that each page took."""
    took, after = [], ""
    connection = site.connection()
    try:
        for _ in range(PAGES):
            begun = time.monotonic()
            page = site.request(connection, "GET", f"/v1/machines?limit={PAGE}{after}")
            took.append(1000 * (time.monotonic() - begun))
            after = f"&after={page['next']}" if page.get("next") else ""
    finally:
        connection.close()
    return took


def settle(group):
    """Returns when the server has not worked for three seconds."""
    for _ in range(100):
        before = group.cpu()
        time.sleep(3)
        if group.cpu() - before < 0.02:
            return
    raise Unable("the service does not come to rest")


def one_round(costs, nodes, machines, many, some):
    theirs, ours = costs["Ironic"], costs["Billet"]
    cost, ids = nodes.create(some)
    theirs["create"].append(cost)
    theirs["port"].append(nodes.create_ports(ids))
    nodes.fresh = ids
    cost, ids_of_ours = machines.create(MADE)
    ours["create"].append(cost)
    theirs["get"].append(nodes.get(ids * 2))
    ours["get"].append(machines.get(ids_of_ours * (READ // MADE)))
    for limit, times in ((100, 10), (1000, 3)):
        for client, row, more in ((nodes, theirs, 1), (machines, ours, LISTED)):
            cost, count = client.listed(limit, times * more)
            if count != min(limit, client.made):
                raise Unable(f"{type(client).__name__}: a list of {limit} has {count}")
            row[f"list {limit}"].append(cost)


def way(costs, notes, nodes, folder):
    """Enrolled machines get an operating system: Ironic's fake nodes, and machines of the simulated fleet."""
    cpu, seconds = nodes.to_active(nodes.fresh)
    costs["Ironic"]["active"].append(1000 * cpu / MACHINES)
    notes.setdefault("Ironic", []).append(seconds)
    # Ironic answers nobody else meanwhile either, but for the look at its nodes each two seconds.
    phases = fleet.fly(folder, fleet.scenario("enrol", MACHINES, fleet.INTAKE, fleet.ALONE))["phases"]
    costs["Billet"]["active"].append(1000 * sum(phase["cpu_s"] for phase in phases) / MACHINES)
    notes.setdefault("Billet", []).append(sum(phase["seconds"] for phase in phases))


def judge(costs, notes, many, quick):
    findings = Findings(NAME, GOALS)
    theirs, ours = costs["Ironic"], costs["Billet"]
    rows = []
    for what, words in WORDS.items():
        both = theirs[what] and ours[what]
        share = spread(ratios(ours[what], theirs[what])) if both else ""
        if theirs[what]:
            rows.append([words, spread(theirs[what]), spread(ours[what]) if ours[what] else "", share])
    findings.table([f"server's CPU ms, with {many} machines", "Ironic", "Billet", "ratio"], rows)
    if notes:
        rows = [["seconds until all run", spread(notes["Ironic"]), spread(notes["Billet"])]]
        head = [f"{MACHINES} machines from enrolled to an operating system", "Ironic, fake hardware", "Billet, simulated machines"]
        findings.table(head, rows)
    findings.measured("api-get-cpu-vs-ironic", ratios(ours["get"], theirs["get"]))
    findings.measured("api-create-cpu-vs-ironic", ratios(ours["create"], theirs["create"]))
    if quick:
        findings.not_measured("it takes minutes", *LONG_GOALS)
    else:
        findings.measured("api-list-1000-detail-cpu-vs-ironic", ratios(ours["list 1000"], theirs["list 1000"]))
        findings.measured("enrol-to-active-cpu-vs-ironic", ratios(ours["active"], theirs["active"]))
        findings.measured("enrol-to-active-cpu", ours["active"])
        findings.measured("enrol-to-active-time", notes["Billet"])
    return findings
