"""Tests of what judges and tells: nothing that was not measured may look as if it were, and nothing else may be rewritten.

Run by `.ci/python-lint`.
"""

import argparse
import os
import tempfile
import unittest
from unittest import mock

import bench
import needs
import report
from report import Findings, Goal, Unable

GOALS = [Goal("less", "<=", 0.25), Goal("more", ">=", 1000, "/min")]
CIRCUMSTANCES = {
    "rounds": 5, "date": "2026-01-02", "commit": "abc", "cpu": "a processor", "cores": 2, "memory_gib": 4.2, "kernel": "6.1",
    "system": "Debian", "load_before": 0.1, "load_after": 1.9, "fsync_ms": [0.1, 0.2, 5],
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
        for part in ("| less | 0.1/0.2/0.3 | ≤ 0.25 | met |", "**not measured**: nobody measured it", "Kea 2.2", "commit abc"):
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

    def test_goals_have_names_of_their_own(self):
        names = [goal.name for each in bench.BENCHES.values() for goal in each.GOALS]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
