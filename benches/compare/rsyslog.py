"""rsyslog's disk queue: lines in over TCP while the other end is away, then out to it over TCP.

rsyslog.py SCRATCH LINES off|on OURS: the third is queue.syncQueueFiles, whose default is off.
"""

import glob
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from row import row, size

LINE = b"<14>Nov 22 16:00:00 host nb: 0700000000000007,HEART_RATE,%d,72,4\n"
CONFIG = """
global(workDirectory="{work}" maxMessageSize="8k")
module(load="imptcp")
input(type="imptcp" address="127.0.0.1" port="{inlet}" ruleset="out")
ruleset(name="out" queue.type="Direct") {{
  action(type="omfwd" target="127.0.0.1" port="{outlet}" protocol="tcp" action.resumeRetryCount="-1" action.resumeInterval="1"
         queue.type="Disk" queue.filename="spool" queue.maxDiskSpace="2g" queue.size="10000000" queue.syncQueueFiles="{sync}"
         queue.checkpointInterval="{checkpoint}" queue.timeoutEnqueue="2000000" queue.saveOnShutdown="on")
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(scratch, sync, inlet, outlet):
    root = os.path.join(scratch, "rsyslog")
    work = os.path.join(scratch, "work-" + sync)
    os.makedirs(work)
    config = os.path.join(work, "rsyslog.conf")
    checkpoint = "1000" if sync == "on" else "0"
    pathlib.Path(config).write_text(
        CONFIG.format(work=work, inlet=inlet, outlet=outlet, sync=sync, checkpoint=checkpoint), encoding="ascii")
    libraries = glob.glob(root + "/usr/lib/*-linux-*")[0]
    command = [root + "/usr/sbin/rsyslogd", "-n", "-f", config, "-i", os.path.join(work, "pid"), "-M", libraries + "/rsyslog"]
    environment = dict(os.environ, LD_LIBRARY_PATH=libraries)
    log = open(os.path.join(work, "log"), "wb")
    return work, subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def connect(port, daemon):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and daemon.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            time.sleep(0.02)
    sys.exit("compare: rsyslog does not listen")


def spooled(work):
    """Bytes in the spool once it has stopped growing, and when it did."""
    before, since = -1, time.perf_counter()
    while True:
        now = sum(os.path.getsize(path) for path in glob.glob(work + "/spool.0*"))
        if now != before:
            before, since = now, time.perf_counter()
        elif now > 0 and time.perf_counter() - since > 3:
            return now, since
        time.sleep(0.01)


def receive(listener, lines):
    """Lines that came, and the seconds from the first to the last."""
    peer, _ = listener.accept()
    began, got, last = None, 0, None
    peer.settimeout(30)
    while got < lines:
        part = peer.recv(1 << 20)
        if not part:
            break
        began = began or time.perf_counter()
        got += part.count(b"\n")
        last = time.perf_counter()
    return got, last - began


def main(scratch, lines, sync, ours):
    lines, inlet, outlet = int(lines), free_port(), free_port()
    work, daemon = start(scratch, sync, inlet, outlet)
    try:
        with connect(inlet, daemon) as client:
            began = time.perf_counter()
            for first in range(0, lines, 1000):
                client.sendall(b"".join(LINE % (1763827200 + at) for at in range(first, min(first + 1000, lines))))
            disk, ended = spooled(work)
        with socket.create_server(("127.0.0.1", outlet)) as listener:
            listener.settimeout(60)
            got, took = receive(listener, lines)
        if got < lines:
            print(f"rsyslog, syncQueueFiles {sync}: only {got} of {lines} lines came out")
        row(f"rsyslog disk queue, syncQueueFiles {sync}", ours, lines / (ended - began), got / took, disk / lines)
    finally:
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
