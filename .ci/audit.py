"""Asks for known vulnerabilities of the locked dependencies; fails where there are any, tells what it could not ask."""

import json
import subprocess
import sys

LOCK = "requirements.lock"
COMMAND = [sys.executable, "-m", "pip_audit", "-r", LOCK, "--disable-pip", "--require-hashes", "-f", "json"]
TIMEOUT_S = 300


def main() -> int:
    """The exit status."""
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)  # noqa: S603
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        print("audit: the advisory service could not be asked; nothing was audited", file=sys.stderr)
        return 0
    asked = [one for one in found if "vulns" in one]
    vulnerable = [one for one in asked if one["vulns"]]
    for one in vulnerable:
        names = ", ".join(f"{v['id']} (fixed in {', '.join(v['fix_versions']) or 'no release'})" for v in one["vulns"])
        print(f"audit: {one['name']} {one['version']}: {names}")
    print(f"audit: {len(asked)} of {len(found)} dependencies could be audited, {len(vulnerable)} are vulnerable")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
