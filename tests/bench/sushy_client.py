"""The power of a machine as OpenStack Ironic asks for it: by sushy, with one session that is kept.

`sushy_client.py ROOT USER PASSWORD_FILE TIMES [--kept]` says in JSON what a query costs; `--kept` keeps the connection too.
"""

import json
import resource
import sys

import sushy
import urllib3


def own_cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    root, user, password_file, times = sys.argv[1:5]
    urllib3.disable_warnings()
    with open(password_file) as file:
        auth = sushy.auth.SessionAuth(user, file.read().rstrip("\n"))
    client = sushy.Sushy(root, auth=auth, verify=False)
    if "--kept" in sys.argv[5:]:
        del client._conn._session.headers["Connection"]
    path = client.get_system_collection().members_identities[0]
    client.get_system(path)
    before = own_cpu()
    for _ in range(int(times)):
        if client.get_system(path).power_state.value != "Off":
            sys.exit("sushy did not read `Off`")
    print(json.dumps({"ms": 1000 * (own_cpu() - before) / int(times)}))
    auth.close()


if __name__ == "__main__":
    main()
