"""The unchanged OpenStack client, loaded once and forked for each command: its start takes seconds, a session has a hundred.

Exit codes of `main`: 0 all passed, 77 the client is missing here, 1 failed.
"""

import json
import os
import pathlib
import sys
import tempfile

import harness

PYTHON = harness.VENV / "bin/python"


def inside_venv():
    """Goes on in the environment that has the client; 77 where there is none."""
    if not PYTHON.exists():
        print("SKIP python-openstackclient is missing (.ci/install)")
        sys.exit(77)
    if pathlib.Path(sys.prefix) != PYTHON.parent.parent.resolve() and "SKYLOOM_IN_VENV" not in os.environ:
        os.environ["SKYLOOM_IN_VENV"] = "1"
        os.execv(PYTHON, [PYTHON, *sys.argv])


class Client:
    """One login. Calling it runs a command; it must succeed unless `fails` is asked for."""

    def __init__(self, **options):
        # As arguments, so that no environment and no file of the machine's has a say.
        self.options = [f"--os-{key.replace('_', '-')}={value}" for key, value in options.items() if value is not None]

    def _run(self, words):
        from openstackclient import shell

        # A process of its own: the client keeps its logins in the classes.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    os.dup2(os.openpty()[1], 0)  # a person's: without one the client uploads its standard input
                    os.dup2(out.fileno(), 1)
                    os.dup2(err.fileno(), 2)
                    status = shell.main([*self.options, *words])
                except SystemExit as end:  # how argparse refuses
                    status = end.code
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(status if isinstance(status, int) else int(bool(status)))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0), err.seek(0)
            return status, out.read(), err.read()

    def text(self, *words):
        status, out, err = self._run([str(word) for word in words])
        assert not status, f"openstack {' '.join(map(str, words))}: {err.strip() or out.strip()}"
        return out

    def __call__(self, *words):
        """What the command shows, as JSON: an object of `show`, a list of `list`."""
        return json.loads(self.text(*words, "-f", "json"))

    def fails(self, reason, *words):
        """It must fail, and its message must hold the reason."""
        status, out, err = self._run([str(word) for word in words])
        said = (out + err).strip()
        assert status, f"openstack {' '.join(map(str, words))} succeeded: {said}"
        assert reason in said, f"openstack {' '.join(map(str, words))}: {reason!r} is not in {said!r}"


class Session:
    """An administrator's client, and more logins in the default domain."""

    def __init__(self, env, folder):
        self.url, self.folder = env["SKYLOOM_URL"], folder
        self.admin = self.login("admin", env["SKYLOOM_ADMIN_PASSWORD"], "admin")

    def login(self, user, password, project):
        return Client(
            auth_url=f"{self.url}/identity/v3", username=user, password=password, project_name=project,
            user_domain_name="Default", project_domain_name="Default", identity_api_version=3,
        )


class Members(Session):
    """Ann and Bob, members of a project each; `ids` has the projects' by their names."""

    def step_people(self):
        """two members of two projects"""
        self.ids = {}
        for who in ("ann", "bob"):
            self.ids[who] = self.admin("project", "create", f"{who}s")["id"]
            self.admin.text("user", "create", "--password", f"{who}'s pass", who)
            self.admin.text("role", "add", "--user", who, "--project", self.ids[who], "member")
        self.ann, self.bob = (self.login(who, f"{who}'s pass", f"{who}s") for who in ("ann", "bob"))


def names(rows, column="Name"):
    return sorted(row[column] for row in rows)


def same(what, found, wanted):
    assert found == wanted, f"{what}: {found!r} and not {wanted!r}"


def main(session, edits=(), deployment="laptop"):
    """`harness.main` where the client is, and with nothing of the machine's own clouds."""
    inside_venv()
    for key in [key for key in os.environ if key.startswith("OS_")]:
        del os.environ[key]
    os.environ["OS_CLIENT_CONFIG_FILE"] = os.devnull
    return harness.main(session, edits, deployment)
