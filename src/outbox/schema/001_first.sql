-- Version 1. Frozen: a change is a new file.
-- Times are UTC; _us is microseconds since 1970, _s is seconds.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE device (
    id        INTEGER PRIMARY KEY,
    device_id BLOB NOT NULL UNIQUE CHECK (length(device_id) = 16),
    name      TEXT
) STRICT;

-- One life of a watch's counter. A counter that went backwards starts a new era, so that a number is never used twice.
CREATE TABLE log (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    device    INTEGER NOT NULL REFERENCES device,
    log_id    INTEGER NOT NULL,
    era       INTEGER NOT NULL CHECK (era >= 1),
    synthetic INTEGER NOT NULL CHECK (synthetic IN (0, 1)),
    cursor    INTEGER NOT NULL CHECK (cursor >= 0),
    opened_us INTEGER NOT NULL,
    UNIQUE (device, log_id, era)
) STRICT;

CREATE TABLE session (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    log        INTEGER REFERENCES log,
    device     INTEGER NOT NULL REFERENCES device,
    started_us INTEGER NOT NULL,
    ended_us   INTEGER,
    outcome    TEXT,
    fetched    INTEGER NOT NULL DEFAULT 0,
    new        INTEGER NOT NULL DEFAULT 0,
    duplicate  INTEGER NOT NULL DEFAULT 0,
    rejected   INTEGER NOT NULL DEFAULT 0,
    newest_us  INTEGER
) STRICT;

-- The block's own bytes, and only such columns beside them as are searched or counted.
CREATE TABLE block (
    log        INTEGER NOT NULL REFERENCES log,
    seq        INTEGER NOT NULL CHECK (seq >= 1),
    session    INTEGER NOT NULL REFERENCES session,
    received_s INTEGER NOT NULL,
    boot       INTEGER NOT NULL,
    t0_ms      INTEGER NOT NULL,
    stream     INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;

-- A slow stream is one block in fifty; with n in the index, what is waiting is counted without touching a body.
CREATE INDEX block_stream ON block (log, stream, seq, n);

CREATE TABLE anchor (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    log            INTEGER NOT NULL REFERENCES log,
    boot           INTEGER NOT NULL,
    ticks_us       INTEGER NOT NULL,
    utc_us         INTEGER NOT NULL,
    uncertainty_us INTEGER NOT NULL,
    source         TEXT NOT NULL,
    UNIQUE (log, boot, ticks_us)
) STRICT;

CREATE TABLE gap (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    log      INTEGER NOT NULL REFERENCES log,
    stream   INTEGER,
    from_seq INTEGER NOT NULL,
    to_seq   INTEGER NOT NULL CHECK (from_seq <= to_seq),
    cause    TEXT NOT NULL,
    detail   TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    UNIQUE (log, from_seq, to_seq, cause)
) STRICT;

-- Everything of this kind up to through_seq has left, by a receipt or into dead; the counts say by which.
CREATE TABLE upload_cursor (
    sink            TEXT NOT NULL,
    log             INTEGER NOT NULL REFERENCES log,
    kind            INTEGER NOT NULL,
    through_seq     INTEGER NOT NULL,
    sent_samples    INTEGER NOT NULL,
    dead_samples    INTEGER NOT NULL,
    last_receipt_us INTEGER,
    PRIMARY KEY (sink, log, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    sink            TEXT NOT NULL,
    log             INTEGER NOT NULL REFERENCES log,
    kind            INTEGER NOT NULL,
    first_seq       INTEGER NOT NULL,
    last_seq        INTEGER NOT NULL CHECK (first_seq <= last_seq),
    anchor_horizon  INTEGER REFERENCES anchor,
    samples         INTEGER NOT NULL,
    rows            INTEGER NOT NULL,
    csv_sha256      BLOB NOT NULL CHECK (length(csv_sha256) = 32),
    idempotency_key TEXT NOT NULL UNIQUE,
    state           TEXT NOT NULL CHECK (state IN ('open', 'sent', 'recut', 'dead')),
    attempts        INTEGER NOT NULL DEFAULT 0,
    created_us      INTEGER NOT NULL,
    last_attempt_us INTEGER,
    last_error      TEXT
) STRICT;

CREATE UNIQUE INDEX batch_open ON batch (sink, log, kind) WHERE state = 'open';

CREATE TABLE receipt (
    batch     INTEGER PRIMARY KEY REFERENCES batch,
    status    INTEGER NOT NULL,
    body      TEXT NOT NULL,
    zip_bytes INTEGER NOT NULL,
    at_us     INTEGER NOT NULL
) STRICT;

-- sink and kind are NULL for a block that was refused on its way in.
CREATE TABLE dead (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    log      INTEGER NOT NULL REFERENCES log,
    sink     TEXT,
    kind     INTEGER,
    stream   INTEGER,
    seq      INTEGER NOT NULL,
    samples  INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    status   INTEGER,
    response TEXT,
    body     BLOB NOT NULL,
    at_us    INTEGER NOT NULL
) STRICT;
