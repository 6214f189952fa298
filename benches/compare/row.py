"""A row of the table of benches/compare.sh: what another queue does, and how it stands to the outbox."""

import os
import re


def row(name, ours, put, get, disk):
    own = {key: float(value) for key, value in re.findall(r"(\w+)=([0-9.]+)", open(ours, encoding="ascii").read())}
    print(f"{name:46} {put:14.0f} {get:14.0f} {disk:16.1f}   the outbox: {own['in_per_s'] / put:.0f} × in, "
          f"{own['out_per_s'] / get:.0f} × out, 1/{disk / own['disk_bytes_per_sample']:.0f} of the disk", flush=True)


def size(folder):
    return sum(os.path.getsize(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names)
