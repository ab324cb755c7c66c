"""The entries of Keystone's operations: people and projects are a department's, and its manager keeps them."""

from department_tables import COUNT, EVERYBODY, LOGIN, NOBODY, OPERATORS, OWN, Entry, fixed, new

USER, PROJECT, DOMAIN = ("user_id",), ("project_id",), ("domain_id",)
SUBJECT = {"headers": lambda v: {"X-Subject-Token": v["subject"]}}
# A token that is an own one: another that the same manager has.
ANOTHER = lambda place, caller: {"subject": place.department.login("manager")}


def body_of(kind, **more):
    return lambda v: {kind: {"name": f"{v['mark']}-{next(COUNT)}", **{name: make(v) for name, make in more.items()}}}


def a_user(place, caller=None):
    return {"user_id": place.world.make_user(new(place), place.department.domain_id)}


def a_project(place, caller=None):
    tag = place.mark
    return {"project_id": place.world.make("project", name=new(place), domain_id=place.department.domain_id, tags=[tag])}


def granted(**where):
    """A new user who has the role there."""
    def ready(place, caller=None):
        user = a_user(place)["user_id"]
        place.world.grant("member", user, **{kind: place.values[name] for kind, name in where.items()})
        return {"user_id": user}

    return ready


def operator(place, caller=None):
    """One who operates the cloud, and has an account in the department."""
    user = a_user(place)["user_id"]
    place.world.grant("admin", user, project=place.project_id)
    return {"user_id": user, "role_id": place.world.roles["admin"]}


def another_role(name):
    def ready(place, caller=None):
        return {**a_user(place), "role_id": place.world.roles[name]}

    return ready


def in_department(kind):
    """What was made without a domain is in that of the token."""
    def then(place, answer):
        found = answer.json()[kind]["domain_id"]
        return None if found == place.department.domain_id else f"its domain is {found}"

    return then


IN_DOMAIN = {"domain_id": lambda v: v["domain_id"]}
DESCRIBED = lambda kind: fixed({kind: {"description": "changed"}})
A_KEY = lambda v: {"credential": {"type": "ec2", "blob": "{}", "user_id": v["user_id"], "project_id": v["project_id"]}}
PASSWORD = lambda v: {"user": {"original_password": v["password"], "password": "Another-Horse-9"}}
# What grants nobody may give who is no operator.
TOO_MUCH = ("admin", "service")


def grants(target):
    """Entries of the roles of a user on a project or a domain."""
    name = f"{target}_id"
    refs, there = (name, *USER), granted(**{target: name})
    given = [
        Entry(refs=refs, ready=a_user),
        *(Entry(ready=another_role(role), note=role) for role in ("manager", "reader")),
        *(Entry(OPERATORS, ready=another_role(role), note=role) for role in TOO_MUCH),
    ]
    return {
        f"{target}-roles.list": Entry(refs=refs),
        f"{target}-roles.grant": given,
        f"{target}-roles.check": Entry(refs=refs, ready=there),
        f"{target}-roles.revoke": [Entry(refs=refs, ready=there), Entry(OPERATORS, ready=operator, note="an operator's")],
    }


ASSIGNED = (
    ("user.id", "user_id"), ("scope.project.id", "project_id"), ("scope.domain.id", "domain_id"),
    ("include_names&user.id", "user_id"),
)
IDENTITY = {
    "versions.list": Entry(EVERYBODY),
    "versions.show": Entry(EVERYBODY),
    "tokens.issue": Entry(EVERYBODY, body=LOGIN),
    "tokens.validate": Entry(OWN, refs=("subject",), ready=ANOTHER, **SUBJECT),
    "tokens.revoke": Entry(OWN, refs=("subject",), ready=ANOTHER, **SUBJECT),
    "auth.catalog": Entry(OWN, in_project=True),
    "auth.projects": Entry(OWN),
    "auth.domains": Entry(OWN),
    **{f"{kind}s.{verb}": Entry(OPERATORS) for kind in ("service", "endpoint", "region") for verb in ("list", "show")},
    "domains.list": Entry(seen=DOMAIN, asks=(("marker", "domain_id"),)),
    "domains.create": Entry(OPERATORS, body=body_of("domain")),
    "domains.show": Entry(refs=DOMAIN, for_anybody=True),
    "domains.update": Entry(OPERATORS, body=DESCRIBED("domain")),
    "domains.delete": Entry(OPERATORS),
    "projects.list": Entry(
        seen=PROJECT, asks=(
            ("domain_id", "domain_id"), ("parent_id", "project_id"), ("tags", "mark"), ("name", "mark"),
            ("marker", "project_id"),
        ),
    ),
    "projects.create": [
        Entry(body=body_of("project", **IN_DOMAIN), refs=DOMAIN),
        Entry(body=body_of("project"), then=in_department("project"), note="of no domain"),
        Entry(body=body_of("project", parent_id=lambda v: v["project_id"]), refs=PROJECT, note="below another"),
    ],
    "projects.show": Entry(refs=PROJECT, for_anybody=True),
    "projects.update": Entry(body=DESCRIBED("project"), refs=PROJECT),
    "projects.delete": Entry(refs=PROJECT, ready=a_project),
    "projects.tags.list": Entry(refs=PROJECT, for_anybody=True),
    "projects.tags.replace": Entry(body=lambda v: {"tags": [v["mark"]]}, refs=PROJECT),
    "projects.tags.clear": Entry(refs=PROJECT, ready=a_project),
    "projects.tags.check": Entry(refs=PROJECT, for_anybody=True),
    "projects.tags.add": Entry(refs=PROJECT, ready=a_project),
    "projects.tags.remove": Entry(refs=PROJECT, ready=a_project),
    "users.list": Entry(seen=USER, asks=(("domain_id", "domain_id"), ("name", "mark"), ("marker", "user_id"))),
    "users.create": [
        Entry(body=body_of("user", **IN_DOMAIN), refs=DOMAIN),
        Entry(body=body_of("user"), then=in_department("user"), note="of no domain"),
    ],
    "users.show": Entry(refs=USER, for_anybody=True),
    "users.update": [
        Entry(body=DESCRIBED("user"), refs=USER),
        Entry(OPERATORS, body=DESCRIBED("user"), ready=operator, note="an operator"),
    ],
    "users.delete": [Entry(refs=USER, ready=a_user), Entry(OPERATORS, ready=operator, note="an operator")],
    "users.projects": Entry(refs=USER, for_anybody=True),
    "users.password": Entry(EVERYBODY, body=PASSWORD, ready=a_user),
    # A key is made with a token for its project, for oneself; a department's manager has none.
    "credentials.list": Entry(OWN),
    "credentials.create": Entry(OPERATORS, body=A_KEY),
    **{f"{kind}.{verb}": Entry(NOBODY) for kind in ("credentials", "ec2-credentials") for verb in ("show", "delete")},
    "ec2-credentials.list": Entry(OPERATORS),
    "ec2-credentials.create": Entry(OPERATORS, body=lambda v: {"tenant_id": v["project_id"]}),
    "roles.list": Entry(),
    "roles.create": Entry(OPERATORS, body=body_of("role")),
    "roles.show": Entry(),
    "roles.update": Entry(OPERATORS, body=DESCRIBED("role")),
    "roles.delete": Entry(OPERATORS),
    "assignments.list": Entry(seen=(*USER, *PROJECT, *DOMAIN), asks=ASSIGNED),
    **grants("project"),
    **grants("domain"),
    **{f"system-roles.{verb}": Entry(OPERATORS) for verb in ("list", "grant", "check", "revoke")},
    # Upstream's functions that aren't there are nobody's.
    **{f"unsupported.{method}": Entry(EVERYBODY) for method in ("get", "post", "put", "patch", "delete")},
}
