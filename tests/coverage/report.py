#!/usr/bin/env python3
"""The coverage report: which operations of the catalogue are served, and which of their rules a test of THIS run proved.

    report.py LOG...                        logs of the tests: of `cargo test -- --show-output`, or plain lines
    report.py --unproven FOLDER LOG...      the rules of served operations that no test proved; FOLDER has the catalogue

Read from the logs, one a line; of cargo's logs only what passed tests printed:
    RULE <operation of the catalogue> <hash>         a test proved this rule (macro `rule!`); hashes as index.py makes them
    UNSUPPORTED <plugin> <operation> <field>[: why]  refused with a clear error, because the capability doesn't exist yet
Operations whose only answer is 501 are refused like that too.
Served is what an operation table (`catalog` of an [[operation]] in plugins/*/*/plugin.toml) names.

Exit codes: 0; 1 when a test names a rule or a table an operation that the catalogue doesn't have: the words of the rule
changed, so what the test proves has to be looked at again. A rule counts only for an operation that is served.
"""

import collections
import json
import pathlib
import re
import sys
import tomllib

from index import rule_hash

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULE = re.compile(r"^RULE (\S+) (\S+)$")
UNSUPPORTED = re.compile(r"^UNSUPPORTED (\S+ \S+) (.+)$")
# cargo's own lines begin and end the parts of its log: whether what follows was printed by tests that passed.
PARTS = [(re.compile(r"^running \d+ tests?$"), False), (re.compile(r"^successes:$"), True), (re.compile(r"^failures:$"), False)]


def served_operations():
    """Operation of the catalogue -> the plugins' operations that serve it; and operations that only say that they aren't there."""
    served, absent = collections.defaultdict(list), set()
    for manifest in sorted(ROOT.glob("plugins/*/*/plugin.toml")):
        table = tomllib.loads(manifest.read_text(encoding="utf-8"))
        for operation in table.get("operation", []):
            for name in operation.get("catalog", []):
                served[name].append(f"{table['id']} {operation['id']}")
            if operation["success"] == [501]:
                absent.update((f"{table['id']} {operation['id']}", f"{operation['method']} {path}") for path in operation["paths"])
    return served, absent


def read_logs(files):
    proven, unsupported = collections.defaultdict(set), set()
    for file in files:
        passed = True
        for line in map(str.strip, pathlib.Path(file).read_text(encoding="utf-8", errors="replace").splitlines()):
            passed = next((counts for part, counts in PARTS if part.match(line)), passed)
            if passed and (found := RULE.match(line)):
                proven[found[1]].add(found[2])
            if passed and (found := UNSUPPORTED.match(line)):
                unsupported.add(found.groups())
    return proven, unsupported


def mistakes(catalog, served, proven):
    for operation in sorted(set(served) - set(catalog)):
        yield f"{', '.join(served[operation])}: the catalogue has no operation {operation}"
    for operation, rules in sorted(proven.items()):
        for rule in sorted(rules - set(catalog.get(operation, []))):
            yield f"a test proves {operation} {rule}, which the catalogue doesn't have"


def print_api(api, catalog, served, proven):
    operations = [name for name in catalog if name.split(".")[0] == api]
    ours = [name for name in operations if name in served]
    count = lambda name: len(proven[name] & set(catalog[name]))
    rules, done = sum(len(catalog[name]) for name in ours), sum(map(count, ours))
    print(f"{api}: {len(ours)} of {len(operations)} operations served; {done} of their {rules} rules proven in this run")
    for name in ours:
        print(f"   {count(name):3}/{len(catalog[name]):<3} {name}")


def print_unproven(folder, served, proven):
    """The words of the rules stand in the catalogue only, so it is needed here."""
    for file in sorted(pathlib.Path(folder).glob("*.json")):
        for entry in json.loads(file.read_text(encoding="utf-8")):
            if "rules" not in entry or entry.get("id") not in served:
                continue
            rules = {rule_hash(rule): rule for rule in entry["rules"]}
            missing = {hash: rule for hash, rule in rules.items() if hash not in proven[entry["id"]]}
            if missing:
                print(f"{entry['id']}, {len(missing)} of {len(rules)}:")
            for hash, rule in missing.items():
                print(f"   {hash} {rule}")


def main():
    arguments = sys.argv[1:]
    folder = arguments[1] if arguments[:1] == ["--unproven"] and len(arguments) > 2 else None
    logs = arguments[2:] if folder else arguments
    if not logs or logs[0].startswith("--"):
        sys.exit(__doc__)
    catalog = json.loads(pathlib.Path(__file__).with_name("catalog.json").read_text(encoding="utf-8"))
    served, absent = served_operations()
    proven, unsupported = read_logs(logs)
    if folder:
        print_unproven(folder, served, proven)
        return 0
    unsupported |= absent
    for api in sorted({name.split(".")[0] for name in catalog}):
        print_api(api, catalog, served, proven)
    if unsupported:
        print("refused, because the capability doesn't exist yet:")
        for operation, field in sorted(unsupported):
            print(f"   {operation} {field}")
    wrong = list(mistakes(catalog, served, proven))
    for line in wrong:
        print(f"ERROR {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
