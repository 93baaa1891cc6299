"""What a bench found: goals with their verdicts, tables, and how both are told on the terminal and in the documentation.

Nothing is measured here.
"""

import json
import os
import re
import statistics
from typing import NamedTuple


class Unable(Exception):
    """This can't be measured here, and why: something is missing, or a program did not do what it must."""


class Goal(NamedTuple):
    """A figure that we want to reach."""

    name: str
    #: `<=` or `>=`.
    relation: str
    target: float
    unit: str = ""

    def is_met(self, value):
        return {"<=": value <= self.target, ">=": value >= self.target}[self.relation]

    def wish(self):
        return f"{self.relation} {number(self.target)}{self.unit}"

    def words(self, figures):
        """Figures for people, with the unit."""
        return f"{figures} {self.unit}".rstrip()


def number(value):
    """Three digits that count, without an exponent."""
    if value == 0:
        return "0"
    if abs(round(value)) >= 1000:
        return f"{value:.0f}"
    text = f"{value:.3g}"
    return f"{value:.6f}".rstrip("0") if "e" in text else text


def spread(values):
    """Least, median, most; one value alone."""
    if len(values) == 1:
        return number(values[0])
    return "/".join(number(value) for value in (min(values), statistics.median(values), max(values)))


def ratios(ours, peer):
    """The rounds' own ratios: what one round measured, it measured under one load."""
    found = [mine / theirs for mine, theirs in zip(ours, peer, strict=True) if theirs > 0]
    if not found:
        raise Unable("the peer's cost was too small to be measured")
    return found


class Findings:
    """What one bench found. A goal that nobody measured stays `not measured`, and says so."""

    def __init__(self, name, goals):
        self.name = name
        self.goals = list(goals)
        self.values = {}
        self.reasons = {}
        self.tables = []
        self.versions = {}
        self.failed = None

    def measured(self, name, values):
        """The values of a goal, one for each round; its verdict is by their median."""
        values = [float(value) for value in (values if isinstance(values, (list, tuple)) else [values])]
        if name not in {goal.name for goal in self.goals}:
            raise ValueError(f"there is no goal {name}")
        self.values[name] = values

    def not_measured(self, why, *names):
        """Why these goals (all the others, if none is named) have no value."""
        for name in names or [goal.name for goal in self.goals]:
            self.reasons.setdefault(name, why)

    def table(self, head, rows):
        """Rows of text, the first row being the head."""
        self.tables.append([list(head), *[[str(cell) for cell in row] for row in rows]])

    def verdict(self, goal):
        """`met`, `missed` or `not measured`."""
        values = self.values.get(goal.name)
        if not values:
            return "not measured"
        return "met" if goal.is_met(statistics.median(values)) else "missed"

    def why(self, goal):
        return self.reasons.get(goal.name) or self.failed or "nobody measured it"

    def counts(self):
        verdicts = [self.verdict(goal) for goal in self.goals]
        return {verdict: verdicts.count(verdict) for verdict in ("met", "missed", "not measured")}

    def lines(self):
        """The closing lines, one for each goal."""
        for goal in self.goals:
            verdict = self.verdict(goal)
            if verdict == "not measured":
                yield f"goal {goal.name} measured - target {goal.wish()} not measured: {self.why(goal)}"
            else:
                value = number(statistics.median(self.values[goal.name]))
                yield f"goal {goal.name} measured {value}{goal.unit} target {goal.wish()} {verdict}"

    def text(self):
        """The tables, for the terminal."""
        return "\n\n".join(plain(table) for table in self.tables)

    def as_json(self, circumstances):
        fields = ("name", "values", "reasons", "tables", "versions", "failed")
        return {**{field: getattr(self, field) for field in fields},
                "goals": [goal._asdict() for goal in self.goals], "circumstances": circumstances}


def load(path):
    """The findings that were kept in a file, and the circumstances."""
    with open(path) as file:
        value = json.load(file)
    findings = Findings(value["name"], [Goal(**goal) for goal in value["goals"]])
    for field in ("values", "reasons", "tables", "versions", "failed"):
        setattr(findings, field, value[field])
    return findings, value["circumstances"]


def plain(table):
    """A table in columns."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown_table(table):
    lines = ["| " + " | ".join(row) + " |" for row in table]
    lines.insert(1, "|---" * len(table[0]) + "|")
    return "\n".join(lines)


def markdown(findings, circumstances):
    """What stands between a bench's marks in the documentation."""
    parts = [markdown_table(table) for table in findings.tables]
    if findings.goals:
        rows = [["goal", "measured", "target", ""]]
        for goal in findings.goals:
            verdict = findings.verdict(goal)
            value = goal.words(spread(findings.values[goal.name])) if verdict != "not measured" else "-"
            words = {"met": "met", "missed": "**missed**"}.get(verdict, f"**not measured**: {findings.why(goal)}")
            wish = {"<=": "≤", ">=": "≥"}[goal.relation] + " " + goal.words(number(goal.target))
            rows.append([goal.name, value, wish, words])
        parts.append(markdown_table(rows))
    parts.append(f"<sub>{'. '.join(circumstances_words(findings, circumstances))}.</sub>")
    return "\n\n".join(parts)


def circumstances_words(findings, circumstances):
    """When, where and against what, as sentences."""
    what = circumstances
    rounds = f"{what['rounds']} rounds, min/median/max, " if what["rounds"] > 1 else ""
    yield f"{rounds}{what['date']}, commit {what['commit']}"
    yield f"{what['cpu']}, {what['cores']} cores, {what['memory_gib']:.0f} GiB, Linux {what['kernel']}, {what['system']}"
    yield f"it took {what['seconds']:.0f} s, load {what['load_before']:.1f} before, {what['load_after']:.1f} after"
    yield f"write and fsync of 200 bytes, ms: {spread(what['fsync_ms'])}"
    if findings.versions:
        yield "Peers: " + ", ".join(f"{name} {version}" for name, version in sorted(findings.versions.items()))


def marks(name):
    return f"<!-- bench:{name} -->", f"<!-- /bench:{name} -->"


def put_between(text, name, content):
    """`text` with `content` between the marks of this bench."""
    begin, end = marks(name)
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise Unable(f"the documentation has no single place for {begin} … {end}")
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)


def write_documentation(path, findings, circumstances):
    """Replaces what stands between the marks."""
    with open(path) as file:
        text = file.read()
    text = put_between(text, findings.name, markdown(findings, circumstances))
    partial = f"{path}.partial"
    with open(partial, "w") as file:
        file.write(text)
    os.replace(partial, path)


def keep(folder, findings, circumstances):
    """Keeps everything that was found in FOLDER/NAME.json."""
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/{findings.name}.json", "w") as file:
        json.dump(findings.as_json(circumstances), file, indent=1)
        file.write("\n")
