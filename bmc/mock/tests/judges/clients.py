"""Redfish clients that are told what to do and say what came of it, a line of JSON each.

`["sushy", step, argument…]` is a step of `openstack`; `["bye"]` ends its session. All else is a program of this
virtual environment and its arguments, which runs in this process so that it need not be loaded anew each time.
"""

import contextlib
import io
import json
import os
import runpy
import sys
import traceback

import openstack
import sushy


class Clients:
    def __init__(self, url, user, password):
        self.url, self.user, self.password = url, user, password
        self.auth = self.root = None

    def sushy(self, step, *arguments):
        if self.root is None:
            self.auth = sushy.auth.SessionOrBasicAuth(self.user, self.password)
            self.root = sushy.Sushy(self.url, auth=self.auth, verify=False, server_side_retries=0)
        return getattr(openstack, step)(self.root, *arguments)

    def bye(self):
        if self.auth is not None:
            self.auth.close()
        self.auth = self.root = None

    def do(self, words):
        name, *arguments = words
        if name in ("sushy", "bye"):
            return getattr(self, name)(*arguments)
        said = io.StringIO()
        path = os.path.join(os.path.dirname(sys.executable), name)
        sys.argv = [path, *arguments]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                runpy.run_path(path, run_name="__main__")
            except SystemExit as end:
                if end.code:
                    raise RuntimeError(f"{name} ended with {end.code}: {said.getvalue()}") from end
        return said.getvalue()


def main():
    clients = Clients(*sys.argv[1:])
    answers = sys.stdout
    for line in sys.stdin:
        try:
            answer = {"said": clients.do(json.loads(line))}
        except Exception:
            answer = {"failed": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


main()
