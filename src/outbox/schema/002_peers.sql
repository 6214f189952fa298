-- Version 2. Frozen: a change is a new file.
-- What is remembered of a radio address: who answered there, whether it was paired by us, and until when it is left alone.

CREATE TABLE peer (
    address   TEXT PRIMARY KEY,
    device_id BLOB CHECK (length(device_id) = 16),
    name      TEXT,
    paired_us INTEGER,
    -- NULL: not held. The largest integer: until it is released.
    held_us   INTEGER
) STRICT, WITHOUT ROWID;
