-- Version 4. Frozen once released: a change is a new file.
-- Firmware on its way to a watch: what is intended, and how far it came. Where it really is, only the watch can tell.

CREATE TABLE firmware_update (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id    BLOB NOT NULL CHECK (length(device_id) = 16),
    -- The file, and the image in it as the watch names it; NULL where the watch's protocol names none.
    file_sha256  BLOB NOT NULL CHECK (length(file_sha256) = 32),
    image_sha256 BLOB CHECK (length(image_sha256) = 32),
    size         INTEGER NOT NULL CHECK (size > 0),
    -- NULL until the watch has told it.
    from_version TEXT,
    to_version   TEXT NOT NULL,
    asked_by     TEXT NOT NULL CHECK (asked_by IN ('person', 'policy')),
    -- Whether a person lets it be older than what runs.
    allow_downgrade INTEGER NOT NULL DEFAULT 0 CHECK (allow_downgrade IN (0, 1)),
    step         TEXT NOT NULL,
    -- Whether the watch was told to start the image: from then on, an old image that runs means that the new one was not kept.
    started      INTEGER NOT NULL DEFAULT 0 CHECK (started IN (0, 1)),
    attempts     INTEGER NOT NULL DEFAULT 0,
    -- NULL: at once.
    not_before_us INTEGER,
    -- Of the last failure, or of what is waited for.
    detail       TEXT NOT NULL DEFAULT '',
    sent_bytes   INTEGER NOT NULL DEFAULT 0,
    resent_bytes INTEGER NOT NULL DEFAULT 0,
    asked_us     INTEGER NOT NULL,
    ended_us     INTEGER
) STRICT;

CREATE UNIQUE INDEX firmware_update_open ON firmware_update (device_id) WHERE ended_us IS NULL;

-- Each step, when it began.
CREATE TABLE firmware_step (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    update_id INTEGER NOT NULL REFERENCES firmware_update,
    step      TEXT NOT NULL,
    detail    TEXT NOT NULL,
    at_us     INTEGER NOT NULL
) STRICT;

CREATE INDEX firmware_step_update ON firmware_step (update_id, id);

-- An image that a watch has tried and not kept: it gets it again only if a person says so.
CREATE TABLE firmware_refused (
    device_id   BLOB NOT NULL CHECK (length(device_id) = 16),
    file_sha256 BLOB NOT NULL CHECK (length(file_sha256) = 32),
    why         TEXT NOT NULL,
    at_us       INTEGER NOT NULL,
    PRIMARY KEY (device_id, file_sha256)
) STRICT, WITHOUT ROWID;

-- The most that a watch's firmware was ever trusted by: it is never silently less.
CREATE TABLE firmware_trust (
    device_id        BLOB PRIMARY KEY CHECK (length(device_id) = 16),
    level            INTEGER NOT NULL,
    sequence         INTEGER NOT NULL,
    security_counter INTEGER NOT NULL,
    -- The latest time that could be believed.
    latest_us        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
