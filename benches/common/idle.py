"""The client of benches/idle.sh: starts daemons, asks them, and reads what the kernel says about them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

STARTS = 9
# The outbox is tidied for the last time a minute after the last work, and from then on every ten minutes: a shorter look would see
# either one tidying too many or none.
SETTLE_S = int(os.environ.get("SETTLE_S", "90"))
WATCHED_S = int(os.environ.get("WATCHED_S", "660"))
TRACED_S = 30


def main(program, config, control):
    daemon = start(program, config)
    try:
        print(f"first start, new database         {1e3 * answered(control, daemon):7.1f} ms to the socket")
        until_done(control, daemon)
        print(f"after a day collected and uploaded {memory(daemon)}")
        times = []
        for _ in range(STARTS):
            stop(daemon)
            daemon = start(program, config)
            times.append(1e3 * answered(control, daemon))
        times.sort()
        print(f"later starts, median of {STARTS}         {times[STARTS // 2]:7.1f} ms to the socket"
              f"  ({times[0]:.1f}–{times[-1]:.1f})")
        until_done(control, daemon)
        time.sleep(SETTLE_S)
        print(f"idle, {SETTLE_S} s after the last work     {memory(daemon)}")
        wakes, threads = wake_ups(daemon)
        by_name = ", ".join(f"{name} {count}" for name, count in sorted(wakes.items()) if count)
        print(f"idle, {WATCHED_S} s                        {sum(wakes.values()) * 60 / WATCHED_S:7.1f} wake-ups a minute"
              f" of {threads} threads ({by_name})")
        flushes = flushed(daemon)
        if flushes is None:
            print("flushes of the disk                      not counted: strace is missing or not allowed")
        else:
            print(f"idle, {TRACED_S} s                         {flushes:7} flushes of the disk")
    finally:
        stop(daemon)


def start(program, config):
    daemon = subprocess.Popen([program, "--config", config, "run"])
    daemon.began = time.monotonic()
    return daemon


def answered(control, daemon):
    """Seconds from the start to the first whole answer."""
    deadline = daemon.began + 20
    while time.monotonic() < deadline and daemon.poll() is None:
        if status(control) is not None:
            return time.monotonic() - daemon.began
        time.sleep(0.0005)
    sys.exit("idle: the daemon does not answer")


def status(control):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(control)
            client.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            reply = b"".join(iter(lambda: client.recv(65536), b""))
        except OSError:
            return None
    head, _, body = reply.partition(b"\r\n\r\n")
    return json.loads(body) if b" 200 " in head.split(b"\r\n")[0] else None


def until_done(control, daemon):
    """Until a session has ended and nothing is left to send."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and daemon.poll() is None:
        now = status(control)
        if now and is_done(now):
            return
        time.sleep(0.2)
    sys.exit(f"idle: the daemon does not get done: {json.dumps(status(control))}")


def is_done(now):
    watches = now.get("watches") or []
    synced = watches and all(watch.get("last_session") for watch in watches)
    streams = (now.get("outbox") or {}).get("streams") or []
    sendable = [stream for stream in streams if stream.get("kind")]
    return synced and sendable and all(stream["uploaded"] == stream["samples"] for stream in sendable)


def memory(daemon):
    fields = {}
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            fields[name] = value.split()
    mib = {name: int(fields[name][0]) / 1024 for name in ("VmRSS", "VmHWM", "RssAnon", "RssFile")}
    return (f"{mib['VmRSS']:6.1f} MiB resident ({mib['RssAnon']:.1f} of its own, {mib['RssFile']:.1f} of files),"
            f" {mib['VmHWM']:.1f} at most")


def switches(daemon):
    """Voluntary context switches so far, by thread and its name."""
    counts = {}
    for thread in os.listdir(f"/proc/{daemon.pid}/task"):
        try:
            with open(f"/proc/{daemon.pid}/task/{thread}/status", encoding="ascii") as lines:
                fields = dict(line.split(":", 1) for line in lines)
                counts[thread, fields["Name"].strip()] = int(fields["voluntary_ctxt_switches"])
        except FileNotFoundError:
            pass  # The thread has ended since the folder was read.
    return counts


def wake_ups(daemon):
    before = switches(daemon)
    time.sleep(WATCHED_S)
    after = switches(daemon)
    wakes = {thread: count - before.get(thread, 0) for thread, count in after.items()}
    names = {}
    for (_, name), count in wakes.items():
        names[name] = names.get(name, 0) + count
    return names, len(after)


def flushed(daemon):
    if not shutil.which("strace"):
        return None
    command = ["strace", "-f", "-q", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-p", str(daemon.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(TRACED_S)
    if tracer.poll() is not None:
        return None
    tracer.send_signal(signal.SIGINT)
    return sum("sync(" in line for line in tracer.communicate()[1].splitlines())


def stop(daemon):
    if daemon.poll() is None:
        daemon.terminate()
        try:
            daemon.wait(20)
        except subprocess.TimeoutExpired:
            daemon.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
