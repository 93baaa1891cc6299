"""Tests of what judges and tells: nothing that was not measured may look as if it were, and nothing else may be rewritten.

Run by `.ci/python-lint`.
"""

import argparse
import json
import os
import tempfile
import tomllib
import unittest
from unittest import mock

import bench
import fleet
import needs
import report
import sizing
from report import Findings, Goal, Unable

GOALS = [Goal("less", "<=", 0.25), Goal("more", ">=", 1000, "/min")]
CIRCUMSTANCES = {
    "rounds": 5, "date": "2026-01-02", "commit": "abc", "cpu": "a processor", "cores": 2, "memory_gib": 4.2, "kernel": "6.1",
    "system": "Debian", "load_before": 0.1, "load_after": 1.9, "fsync_ms": [0.1, 0.2, 5], "seconds": 83.4,
}


class Verdicts(unittest.TestCase):
    def test_a_median_on_the_target_is_met_and_one_beyond_is_missed(self):
        for name, values, verdict in (
            ("less", [0.25, 0.1, 9], "met"), ("less", [0.251], "missed"),
            ("more", [1000, 1, 2000], "met"), ("more", [999.9], "missed"), ("more", [], "not measured"),
        ):
            findings = Findings("x", GOALS)
            findings.measured(name, values)
            goal = next(goal for goal in GOALS if goal.name == name)
            self.assertEqual(findings.verdict(goal), verdict, (name, values))

    def test_the_line_of_a_goal_is_as_the_design_says(self):
        findings = Findings("x", GOALS)
        findings.measured("less", [0.3, 0.1, 0.2])
        findings.not_measured("no root here")
        self.assertEqual(list(findings.lines()), [
            "goal less measured 0.2 target <= 0.25 met",
            "goal more measured - target >= 1000/min not measured: no root here",
        ])
        self.assertEqual(findings.counts(), {"met": 1, "missed": 0, "not measured": 1})

    def test_what_nobody_spoke_of_is_not_measured(self):
        lines = list(Findings("x", GOALS).lines())
        self.assertTrue(all(line.endswith("not measured: nobody measured it") for line in lines), lines)

    def test_a_goal_that_is_not_there_has_no_value(self):
        with self.assertRaises(ValueError):
            Findings("x", GOALS).measured("els", 1)

    def test_a_ratio_is_that_of_its_own_round(self):
        self.assertEqual(report.ratios([1, 4], [2, 2]), [0.5, 2])
        self.assertEqual(report.ratios([1, 4], [0, 2]), [2])
        with self.assertRaises(Unable):
            report.ratios([1], [0])
        with self.assertRaises(ValueError):
            report.ratios([1, 2], [1])

    def test_numbers_have_three_digits_that_count(self):
        found = [report.number(value) for value in (0, 0.00384, 0.000012, 12.345, 1234567.8, 999.6)]
        self.assertEqual(found, ["0", "0.00384", "0.000012", "12.3", "1234568", "1000"])
        self.assertEqual(report.spread([3, 1, 2]), "1/2/3")


class Documentation(unittest.TestCase):
    def findings(self):
        findings = Findings("dhcp", GOALS)
        findings.table(["", "Kea"], [["µs", "1/2/3"]])
        findings.measured("less", [0.3, 0.1, 0.2])
        findings.versions = {"Kea": "2.2"}
        return findings

    def test_only_what_is_between_the_marks_changes(self):
        text = "a\n<!-- bench:dhcp -->\nold \\1\n<!-- /bench:dhcp -->\nb\n<!-- bench:tftp -->\nkept\n<!-- /bench:tftp -->\n"
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/performance.md"
            for _ in range(2):  # what is written is written over
                with open(path, "w") as file:
                    file.write(text)
                report.write_documentation(path, self.findings(), CIRCUMSTANCES)
                with open(path) as file:
                    text = file.read()
            self.assertEqual(os.listdir(folder), ["performance.md"])
        self.assertTrue(text.startswith("a\n<!-- bench:dhcp -->\n| "), text)
        self.assertTrue(text.endswith("\n<!-- /bench:dhcp -->\nb\n<!-- bench:tftp -->\nkept\n<!-- /bench:tftp -->\n"), text)
        for part in ("| less | 0.1/0.2/0.3 | ≤ 0.25 | met |", "**not measured**: nobody measured it", "Kea 2.2", "commit abc", "83 s"):
            self.assertEqual(text.count(part), 1, part)
        self.assertNotIn("old", text)

    def test_marks_that_are_missing_or_twice_there_are_an_error(self):
        mark = "<!-- bench:x -->\n<!-- /bench:x -->\n"
        for text in ("", "<!-- bench:x -->\n", mark + mark):
            with self.assertRaises(Unable):
                report.put_between(text, "x", "new")

    def test_every_bench_has_its_place(self):
        with open(bench.DOCUMENTATION) as file:
            text = file.read()
        for name in bench.BENCHES:
            report.put_between(text, name, "")

    def test_what_is_kept_comes_back(self):
        with tempfile.TemporaryDirectory() as folder:
            report.keep(folder, self.findings(), CIRCUMSTANCES)
            findings, circumstances = report.load(f"{folder}/dhcp.json")
        self.assertEqual(report.markdown(findings, circumstances), report.markdown(self.findings(), CIRCUMSTANCES))


class Fleets(unittest.TestCase):
    """What the fleet's bench makes of runs; none is flown here."""

    def fly(self, folder, text, *options):
        """A run that was as quick as it can be: 2 s of CPU for whatever each phase did."""
        del folder, options
        self.flown.append(tomllib.loads(text))
        phases = []
        for number, phase in enumerate(self.flown[-1]["phase"]):
            mark = number * 2**20
            phases.append({
                "name": phase["do"], "cpu_s": 2, "cpu_ms_each": 2, "cpu_percent": number, "per_minute": 3000, "ready_s": 0.2,
                "seconds": 30, "rss_peak": mark, "database_before": mark, "database_after": mark + 2**20,
                "api": {"all": {"p99_ms": 7}},
            })
        return {"phases": phases, "usage_first": {"rss": 2**20}, "start_s": 0.1}

    def setUp(self):
        self.flown = []
        for patch in (mock.patch("fleet.fly", self.fly), mock.patch.object(fleet, "runs_of_many", [])):
            patch.start()
            self.addCleanup(patch.stop)

    def mixes(self, machines):
        """The mixtures of the runs with so many machines."""
        return [run["mix"] for run in self.flown if run["machines"] == machines]

    def test_ten_thousand_mixed_machines_are_taken_in_once(self):
        rows = sizing.run(5, False, "").tables[0]
        self.assertEqual([row[0] for row in rows[1:]], ["100", "1000", "10000"])
        with mock.patch("fleet.disk_seconds", return_value=7.5):
            findings = fleet.run(5, False, "")
        self.assertEqual(self.mixes(fleet.MANY), [fleet.MIXED, fleet.ALL_IPMI])
        # The second minute of rest counts: the fourth phase of both.
        self.assertEqual((findings.values["fleet-poll-cpu"], findings.values["fleet-poll-cpu-all-ipmi"]), ([3], [3]))
        self.assertEqual(set(findings.values), {goal.name for goal in fleet.GOALS})
        # 1,000 disks, 256 at once, 7.5 s each; in 30 s.
        self.assertAlmostEqual(findings.values["fleet-deploy-time-vs-disks"][0], 30 / (7.5 * 1000 / 256))

    def test_a_size_that_fails_keeps_nobody_from_the_others(self):
        def fly(folder, text, *options):
            if tomllib.loads(text)["machines"] == 1000:
                raise Unable("a machine is held")
            return self.fly(folder, text, *options)
        with mock.patch("fleet.fly", fly):
            rows = sizing.run(5, False, "").tables[0]
        self.assertEqual(rows[2], ["1000", "not measured", "", "", "", ""])
        self.assertEqual({len(row) for row in rows}, {6})
        self.assertNotIn("not measured", rows[1] + rows[3])

    def test_the_fleet_alone_takes_in_its_own(self):
        with mock.patch("fleet.disk_seconds", return_value=7.5):
            fleet.run(1, False, "")
        self.assertEqual(self.mixes(fleet.MANY), [fleet.MIXED, fleet.ALL_IPMI])
        self.assertEqual({phase["do"] for run in self.flown for phase in run["phase"]}, {"intake", "deploy", "restart", "steady"})

    def test_a_deployment_more_is_of_those_that_were_deployed_again(self):
        cells = sizing.row(fleet.MANY, self.fly("", sizing.text(fleet.MANY)))
        # 2 s of CPU and 1 MiB for 1,000 deployments, the same for as many releases.
        self.assertEqual(cells[3], "2, 2, 2")
        self.assertTrue(cells[4].endswith("; 2.05 KiB"), cells)

    def test_what_is_quick_is_one_small_run(self):
        findings = fleet.run(1, True, "")
        self.assertEqual([run["machines"] for run in self.flown], [fleet.FEWER] * 2)
        self.assertEqual(set(findings.values), {"fleet-deploy-cpu"})


class Attempts(unittest.TestCase):
    class Fake:
        NAME = "fake"
        GOALS = GOALS

    def test_what_fails_is_not_measured_and_says_why(self):
        for error in (Unable("no Kea"), OSError("no file")):
            def fail(error=error):
                raise error
            findings = bench.attempt(self.Fake, fail)
            lines = list(findings.lines())
            self.assertEqual(len(lines), len(GOALS))
            self.assertTrue(all("not measured: " in line and "no " in line for line in lines), lines)

    def test_nothing_is_installed_or_measured_without_root(self):
        absent = "a-package-that-is-not-there"
        with mock.patch("os.geteuid", return_value=1000):
            for wanted, word in ((needs.Needs(root=True), "root"), (needs.Needs(debian=(absent,)), absent)):
                with self.assertRaisesRegex(Unable, word):
                    needs.meet(wanted)
            needs.meet(needs.Needs())

    def test_groups_and_names_choose_and_typing_errors_are_told(self):
        self.assertEqual([found.NAME for found in bench.chosen("redfish,pxe")], ["dhcp", "tftp", "http", "redfish"])
        with self.assertRaises(argparse.ArgumentTypeError):
            bench.chosen("dhpc")

    def test_what_was_built_by_hand_is_never_written_down(self):
        arguments = ["bench.py", "--no-build", "--write", "--only", "dhcp"]
        with mock.patch("sys.argv", arguments), mock.patch("sys.stderr"), self.assertRaises(SystemExit):
            bench.main()

    def test_without_building_what_is_there_is_taken_and_what_is_missing_is_told(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.multiple(needs, builds=False, RELEASE=folder), \
                mock.patch("needs.cargo", side_effect=AssertionError("it was built")):
            for build in (lambda: needs.build_release("lab"), lambda: needs.build_bench("images", "image")):
                with self.assertRaisesRegex(Unable, "nothing was to be built"):
                    build()
            os.mkdir(f"{folder}/deps")
            for path in ("billet-lab", "deps/image-1", "deps/image-1.d"):
                with open(f"{folder}/{path}", "w"):
                    pass
            needs.build_release("lab")
            self.assertEqual(needs.build_bench("images", "image"), f"{folder}/deps/image-1")

    def test_the_bench_that_cargo_built_is_found_among_what_it_says(self):
        lines = [
            {"reason": "compiler-artifact", "target": {"name": "images"}, "executable": None},
            {"reason": "compiler-artifact", "target": {"name": "image"}, "executable": "/target/release/deps/image-1"},
            {"reason": "build-finished", "success": True},
        ]
        for said, found in ((lines, "/target/release/deps/image-1"), (lines[:1], None)):
            with mock.patch("needs.cargo", return_value="".join(json.dumps(line) + "\n" for line in said)):
                if found:
                    self.assertEqual(needs.build_bench("images", "image"), found)
                else:
                    with self.assertRaisesRegex(Unable, "no bench image"):
                        needs.build_bench("images", "image")

    def test_goals_have_names_of_their_own(self):
        names = [goal.name for each in bench.BENCHES.values() for goal in each.GOALS]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
