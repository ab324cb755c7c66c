"""Bodies out of JSON schemas: one that has what is required, and those that are wrong in one place."""

import copy
import json

WRONG = [None, True, 7, 1.5, "x", [], {}, [[]], "\u0000"]
KINDS = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}


def kind(value):
    return next(name for name, fits in KINDS.items() if fits(value))


class Schema:
    def __init__(self, root):
        self.root = root

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.root
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node if isinstance(node, dict) else {}

    def kinds(self, node):
        """Type names that are allowed; None: not known, so nothing is surely wrong."""
        node = self.resolve(node)
        if "const" in node or "enum" in node:
            values = node.get("enum", [node.get("const")])
            return {name for name, fits in KINDS.items() if any(fits(value) for value in values)}
        if "type" in node:
            types = node["type"] if isinstance(node["type"], list) else [node["type"]]
            return set(types) | ({"integer"} if "number" in types else set())
        for key in ("anyOf", "oneOf"):
            if key in node:
                parts = [self.kinds(part) for part in node[key]]
                return None if None in parts else set().union(*parts)
        return None

    def sample(self, node):
        """The smallest body of this schema. Patterns and formats are beyond it; then it is wrong there."""
        node = self.resolve(node)
        for key in ("const", "default"):
            if key in node:
                return copy.deepcopy(node[key])
        if node.get("enum"):
            return node["enum"][0]
        for key in ("anyOf", "oneOf"):
            if key in node and "type" not in node:
                return self.sample(node[key][0])
        kinds = self.kinds(node) or {"object"} if "properties" in node else self.kinds(node) or {"string"}
        if "object" in kinds:
            return {name: self.sample(node.get("properties", {}).get(name, {})) for name in node.get("required", [])}
        if "array" in kinds:
            return [self.sample(node.get("items", {})) for _ in range(node.get("minItems", 0))]
        if "integer" in kinds:
            return max(1, int(node.get("minimum", 1)))
        if "string" in kinds:
            return "conformance".ljust(node.get("minLength", 1), "x")[: node.get("maxLength", 255)]
        return True if "boolean" in kinds else None

    def fields(self, node=None, path=(), depth=0):
        """(path, schema) of everything that has one; 0 in a path is an array's first item."""
        node = self.resolve(self.root if node is None else node)
        yield path, node
        if depth > 6:
            return
        for name, part in node.get("properties", {}).items():
            yield from self.fields(part, (*path, name), depth + 1)
        if isinstance(node.get("items"), dict):
            yield from self.fields(node["items"], (*path, 0), depth + 1)

    def with_value(self, path, value):
        """The sample, with this value at the path; what leads there is made as the schemas say."""
        if not path:
            return value
        body = self.sample(self.root)
        place, node = body, self.resolve(self.root)
        for index, name in enumerate(path):
            node = self.resolve(node.get("items") if name == 0 else node.get("properties", {}).get(name, {}))
            if name == 0:
                if not isinstance(place, list):
                    return None
                if not place:
                    place.append(self.sample(node))
            elif not isinstance(place, dict):
                return None
            last = index == len(path) - 1
            if last or (name != 0 and not isinstance(place.get(name), (dict, list))):
                place[name] = value if last else self.sample(node)
            if not last and not isinstance(place[name], (dict, list)):
                # The sample took another branch of the schema (null, a string): make it what the next step needs.
                place[name] = [] if path[index + 1] == 0 else {}
            place = place[name]
        return body

    def wrong_types(self):
        """(where, body) with a value of a type that the schema doesn't allow."""
        for path, node in self.fields():
            kinds = self.kinds(node)
            if not kinds:
                continue
            for value in WRONG:
                if not any(KINDS[kind](value) for kind in kinds):
                    body = self.with_value(path, value)
                    if body is not None or not path:
                        yield f"{pointer(path)} = {json.dumps(value)}", body

    def missing(self):
        """(where, body) without a field that is required."""
        for path, node in self.fields():
            for name in node.get("required", []):
                body = self.with_value(path, {k: v for k, v in (self.sample(node) or {}).items() if k != name})
                if body is not None:
                    yield f"{pointer(path)} without {name}", body


def pointer(path):
    return "/" + "/".join(map(str, path))


def malformed(sample):
    """(what, bytes) that are no JSON text, or one that a strict reader refuses."""
    text = json.dumps(sample)
    wide = text.encode("utf-16")
    inner = text[1:-1] if text.startswith("{") and len(text) > 2 else '"a":1'
    return [
        ("no JSON", b"{"),
        ("words", b"hello"),
        ("half", text.encode()[:-1] or b"{"),
        ("more after it", text.encode() + b"{}"),
        ("a comma too many", b'{"a":1,}'),
        ("single quotes", b"{'a':1}"),
        ("NaN", b'{"a":NaN}'),
        ("utf-16", wide),
        ("utf-32", text.encode("utf-32")),
        ("invalid utf-8", b'{"a":"\xff\xfe"}'),
        ("overlong utf-8", b'{"a":"\xc0\xaf"}'),
        ("half a surrogate", b'{"a":"\\ud800"}'),
        ("raw NUL", b'{"a":"\x00"}'),
        ("a raw line break", b'{"a":"\n"}'),
        ("a key twice", ("{" + inner + "," + inner + "}").encode()),
        ("deep arrays", b"[" * 20000 + b"]" * 20000),
        ("deep objects", b'{"a":' * 5000 + b"1" + b"}" * 5000),
        ("huge number", b'{"a":1e999999}'),
    ]


def strange(sample):
    """Bodies that are JSON and not what is asked for. Whatever is made of them, it is no failure of the server."""
    return [
        [], None, True, 7, "x", {}, [{}], {"": ""}, {"\u0000": "\u0000"}, {"__proto__": {}}, {"a" * 1000: 1},
        {"x": 10**400}, {"x": -(2**63) - 1}, {"x": 1e308}, {key: None for key in sample} if isinstance(sample, dict) else 0,
        {key: "\u0000" for key in sample} if isinstance(sample, dict) else 0,
        {key: {"\ufffe": "\U0001f980" * 300} for key in sample} if isinstance(sample, dict) else 0,
    ]
