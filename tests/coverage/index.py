#!/usr/bin/env python3
"""Makes catalog.json, the index of the catalogue that the coverage report counts against.

    index.py FOLDER         FOLDER holds the catalogue: JSON files, each a list of operations with `id` and `rules`

The index has, by operation, the hashes of its rules: the first 8 hex digits of the SHA-256 of the rule's text. A test that
proves a rule names that hash, so a rule whose words change has to be proven anew.
"""

import hashlib
import json
import pathlib
import sys


def rule_hash(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def index(folder):
    operations = {}
    for file in sorted(pathlib.Path(folder).glob("*.json")):
        for entry in json.loads(file.read_text(encoding="utf-8")):
            # The folder has other tables too (errors, states); an operation has an id and rules.
            if "id" not in entry or "rules" not in entry:
                continue
            hashes = sorted({rule_hash(rule) for rule in entry["rules"]})
            if len(hashes) != len(set(entry["rules"])):
                sys.exit(f"{entry['id']}: two rules have the same hash; take more digits")
            if operations.setdefault(entry["id"], hashes) is not hashes:
                sys.exit(f"{entry['id']}: stands twice")
    return operations


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    operations = index(sys.argv[1])
    if not operations:
        sys.exit(f"no operations in {sys.argv[1]}")
    lines = [f" {json.dumps(id)}: {json.dumps(operations[id])}" for id in sorted(operations)]
    out = pathlib.Path(__file__).with_name("catalog.json")
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{out.name}: {len(operations)} operations, {sum(map(len, operations.values()))} rules")


if __name__ == "__main__":
    main()
