"""Lines that say PASS or FAIL, and a server that they are about."""

import pathlib
import re
import shutil
import tempfile

from world import World

SHOWN = 6  # failures of one operation that are printed


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def line(self, name, wrong, note=""):
        if wrong:
            self.failed += 1
            print(f"FAIL {name}{note}: {len(wrong)} wrong", flush=True)
            for reason in wrong[:SHOWN]:
                print("    " + re.sub(r"\s+", " ", reason)[:400])
        else:
            self.passed += 1
            print(f"PASS {name}{note}", flush=True)


def check_log(log):
    """Panics, and failures that the host itself noted."""
    return [line for line in log.splitlines() if re.search(r"panicked at|\bERROR\b|wasm trap", line)]


def with_server(report, name, limits, work_on, kind=World):
    """Over a server of its own, with these lines in the deployment's table of limits."""
    work, world = pathlib.Path(tempfile.mkdtemp(prefix="skyloom-cf.")), None
    try:
        world = kind(work, limits)
        work_on(world)
        report.line(f"{name}: the log has no panic and no failure", check_log(world.log()))
    except Exception as error:
        report.line(name, [f"{type(error).__name__}: {error}"])
    finally:
        if world:
            code = world.stop()
            report.line(f"{name}: SIGTERM ends the server with 0", [f"it ended with {code}"] if code else [])
            if report.failed:
                print("-- the server's last lines", *world.log().splitlines()[-20:], sep="\n")
        shutil.rmtree(work, ignore_errors=True)
