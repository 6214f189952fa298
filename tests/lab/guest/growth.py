"""Runs a command and watches what it holds: file descriptors, D-Bus match rules, resident memory. Fails if the last quarter of its
life needed more than the second. Usage: python3 /lab/growth.py COMMAND [ARGUMENT...]"""

import os
import statistics
import subprocess
import sys
import time

from jeepney import DBusAddress, DBusErrorResponse, new_method_call
from jeepney.io.blocking import open_dbus_connection

EVERY_SECONDS = 1
# Allocators and caches breathe; a leak of one object a cycle does not hide in this.
MEMORY_SLACK_KB = 1024
BUS = "org.freedesktop.DBus"

bus = open_dbus_connection("SYSTEM")


def ask(interface, method, *names):
    address = DBusAddress("/org/freedesktop/DBus", BUS, interface)
    reply = bus.send_and_get_reply(new_method_call(address, method, "s" * len(names), names))
    if reply.header.message_type.name == "error":
        raise DBusErrorResponse(reply)
    return reply.body[0]


def match_rules(pid):
    total = 0
    for name in ask(BUS, "ListNames"):
        try:
            if name.startswith(":") and ask(BUS, "GetConnectionUnixProcessID", name) == pid:
                total += ask(f"{BUS}.Debug.Stats", "GetConnectionStats", name)["MatchRules"][1]
        except DBusErrorResponse:
            pass  # it has just gone
    return total


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def sample(pid):
    return len(os.listdir(f"/proc/{pid}/fd")), match_rules(pid), resident_kb(pid)


def main():
    child = subprocess.Popen(sys.argv[1:])
    samples = []
    while child.poll() is None:
        try:
            samples.append(sample(child.pid))
        except (OSError, StopIteration):
            break  # it ends
        time.sleep(EVERY_SECONDS)
    status = child.wait()
    quarter = len(samples) // 4
    if quarter < 2:
        sys.exit(status or "it ran too short to tell")
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    grown = False
    for place, (what, slack) in enumerate((("fds", 0), ("match rules", 0), ("resident kB", MEMORY_SLACK_KB))):
        before, after = (statistics.median(row[place] for row in part) for part in (early, late))
        verdict = "GREW" if after > before + slack else "ok"
        grown |= verdict == "GREW"
        print(f"{what}: {before:.0f} in the second quarter, {after:.0f} in the last: {verdict}")
    sys.exit(status or grown)


main()
