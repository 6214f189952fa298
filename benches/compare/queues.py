"""persist-queue and litequeue, item by item: one sample put, then one sample got and acknowledged."""

import os
import sys
import time

import litequeue
import persistqueue

from row import row, size

ITEMS = 2_000
SAMPLE = {"device": 7, "kind": 2, "at": 1763827200, "value": 72, "quality": 4}


def timed(work):
    began = time.perf_counter()
    for _ in range(ITEMS):
        work()
    return ITEMS / (time.perf_counter() - began)


def persist(folder, scratch, ours):
    path = os.path.join(scratch, folder)
    queue = persistqueue.SQLiteAckQueue(path, auto_commit=True)
    put = timed(lambda: queue.put(SAMPLE))
    disk = size(path) / ITEMS
    get = timed(lambda: queue.ack(queue.get()))
    row("persist-queue SQLiteAckQueue, item by item", ours, put, get, disk)


def lite(folder, scratch, ours):
    path = os.path.join(scratch, folder)
    os.mkdir(path)
    queue = litequeue.LiteQueue(os.path.join(path, "queue.db"))
    put = timed(lambda: queue.put(repr(SAMPLE)))
    disk = size(path) / ITEMS

    def get():
        queue.done(queue.pop().message_id)

    row("litequeue, item by item", ours, put, timed(get), disk)


if __name__ == "__main__":
    persist("persist", *sys.argv[1:])
    lite("lite", *sys.argv[1:])
