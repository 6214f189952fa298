-- Version 3. Frozen once released: a change is a new file.
-- Positions in a log go down to the sample: a range of blocks may leave out the first `skip` samples of its first block, and of its
-- last block take only those up to `upto` (NULL: all), both counted from the beginning of that block.

-- Of the block numbered through_seq + 1, if it is of this kind, the first into_next samples are past, too. A sample that was stored
-- and is of this kind is waiting, or counted in exactly one of these: sent, dead, held (in quarantine, or on the way out of it),
-- missed (evicted, or older than the sink).
ALTER TABLE upload_cursor ADD COLUMN into_next INTEGER NOT NULL DEFAULT 0 CHECK (into_next >= 0);
ALTER TABLE upload_cursor ADD COLUMN held_samples INTEGER NOT NULL DEFAULT 0;
ALTER TABLE upload_cursor ADD COLUMN missed_samples INTEGER NOT NULL DEFAULT 0;

-- A place that measurements are sent to, whether or not it is configured at the moment.
CREATE TABLE sink (
    name      TEXT PRIMARY KEY,
    added_us  INTEGER NOT NULL,
    -- Blocks that were stored before this are not for it. NULL: all are.
    since_us  INTEGER,
    -- NULL: not paused.
    paused_us INTEGER
) STRICT, WITHOUT ROWID;

-- Something to be sent out of turn, behind the cursor. Its beginning moves on with what is delivered of it.
CREATE TABLE errand (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    sink      TEXT NOT NULL,
    log       INTEGER NOT NULL REFERENCES log,
    kind      INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    skip      INTEGER NOT NULL DEFAULT 0,
    last_seq  INTEGER NOT NULL CHECK (first_seq <= last_seq),
    upto      INTEGER,
    -- retry: a dead letter; release: out of quarantine; repair: the receiver has lost it.
    why       TEXT NOT NULL CHECK (why IN ('retry', 'release', 'repair')),
    state     TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'given up')),
    asked_us  INTEGER NOT NULL,
    ended_us  INTEGER
) STRICT;

CREATE INDEX errand_waiting ON errand (sink, id) WHERE state = 'waiting';

ALTER TABLE batch ADD COLUMN skip INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN upto INTEGER;
-- NULL: the next of its log.
ALTER TABLE batch ADD COLUMN errand INTEGER REFERENCES errand;
DROP INDEX batch_open;
CREATE UNIQUE INDEX batch_open ON batch (sink, log, kind, coalesce(errand, 0)) WHERE state = 'open';

CREATE INDEX batch_errand ON batch (errand) WHERE errand IS NOT NULL;

-- The samples of the block that are dead; upto NULL: to its end.
ALTER TABLE dead ADD COLUMN skip INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead ADD COLUMN upto INTEGER;
-- What a person had done with it. NULL: nothing yet, or it is under way. One that was retried in vain has a letter in its place.
ALTER TABLE dead ADD COLUMN resolution TEXT CHECK (resolution IN ('retried', 'dropped'));
ALTER TABLE dead ADD COLUMN resolved_us INTEGER;
CREATE INDEX dead_place ON dead (sink, log, kind, seq);

-- What has no time that can be believed: kept, not sent, and looked at again when more is known of the clock.
CREATE TABLE quarantine (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    sink        TEXT NOT NULL,
    log         INTEGER NOT NULL REFERENCES log,
    kind        INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    skip        INTEGER NOT NULL DEFAULT 0,
    last_seq    INTEGER NOT NULL CHECK (first_seq <= last_seq),
    upto        INTEGER,
    boot        INTEGER NOT NULL,
    samples     INTEGER NOT NULL,
    cause       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    at_us       INTEGER NOT NULL,
    released_us INTEGER
) STRICT;

CREATE INDEX quarantine_held ON quarantine (sink, log, boot) WHERE released_us IS NULL;

-- Samples that were stored and are there no more: only of evicted blocks.
ALTER TABLE gap ADD COLUMN samples INTEGER NOT NULL DEFAULT 0;

-- Blocks that were stored and are no longer: freed after everyone had them, or evicted for room.
CREATE TABLE removed (
    log     INTEGER NOT NULL REFERENCES log,
    stream  INTEGER NOT NULL,
    why     TEXT NOT NULL CHECK (why IN ('freed', 'evicted')),
    blocks  INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    PRIMARY KEY (log, stream, why)
) STRICT, WITHOUT ROWID;

-- A number up to here that has no block had one, and it was freed or evicted, unless a gap names it.
ALTER TABLE log ADD COLUMN removed_through INTEGER NOT NULL DEFAULT 0;

-- A time in which something could not go on, and why: what `nowbridge why` reads out.
CREATE TABLE spell (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    -- 'sink NAME', 'watch ADDRESS', 'radio', 'outbox', 'nowbridge'
    subject  TEXT NOT NULL,
    reason   TEXT NOT NULL,
    detail   TEXT NOT NULL,
    began_us INTEGER NOT NULL,
    ended_us INTEGER,
    -- Whether nowbridge ended before it did; ended_us is then when nowbridge was started again.
    interrupted INTEGER NOT NULL DEFAULT 0 CHECK (interrupted IN (0, 1))
) STRICT;

CREATE INDEX spell_began ON spell (began_us);

-- From this anchor on, those of its boot from voids_from up to it count no more; whoever rebuilds what was made before it does not
-- see it. NULL: it voids none.
ALTER TABLE anchor ADD COLUMN voids_from INTEGER;
CREATE INDEX anchor_voiding ON anchor (log, boot, id) WHERE voids_from IS NOT NULL;

-- 1: salvaged without its row. Whose it is, or whether it was simulated, is not known: it is kept, and not sent.
ALTER TABLE log ADD COLUMN adrift INTEGER NOT NULL DEFAULT 0 CHECK (adrift IN (0, 1));

-- A second copy of what says whose a log is, on a page of its own, for a salvage. Of what changes with each commit nothing is in it.
CREATE INDEX log_again ON log (id, device, log_id, era, synthetic, opened_us, removed_through, adrift);

-- Blocks that were found in a damaged database, until all are: then they are put in their places, in order.
CREATE TABLE salvaged (
    log        INTEGER NOT NULL REFERENCES log,
    seq        INTEGER NOT NULL,
    received_s INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (log, seq)
) STRICT, WITHOUT ROWID;

-- What a batch is made from besides its own samples: those around it whose second it shares, and what in it was left out. Kept as
-- long as it is open, so that a retry makes the same table whatever was freed, let go or stored meanwhile. NULL: nothing of it shows in
-- the table.
ALTER TABLE batch ADD COLUMN seam BLOB;

-- What was confirmed of a UTC day (days since 1970), for whoever compares it later, when the blocks may be gone: how many rows, and the
-- sum of their hashes. last_s is the last second that was sent; exact = 0: rows were sent out of turn, so that some may be counted twice.
CREATE TABLE sent_day (
    sink      TEXT NOT NULL,
    log       INTEGER NOT NULL REFERENCES log,
    kind      INTEGER NOT NULL,
    day       INTEGER NOT NULL,
    row_count INTEGER NOT NULL,
    row_sum   BLOB NOT NULL CHECK (length(row_sum) = 16),
    last_s    INTEGER NOT NULL,
    exact     INTEGER NOT NULL CHECK (exact IN (0, 1)),
    PRIMARY KEY (sink, log, kind, day)
) STRICT, WITHOUT ROWID;

-- A sink that a person had forgotten, and what became of the samples it had, or was to have.
CREATE TABLE sink_end (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT NOT NULL,
    at_us    INTEGER NOT NULL,
    sent     INTEGER NOT NULL,
    dead     INTEGER NOT NULL,
    missed   INTEGER NOT NULL,
    given_up INTEGER NOT NULL
) STRICT;

-- Blocks by stream, for whoever looks for one in fifty or counts them. An index would write to its pages with every commit, and each of
-- them goes to the disk whole; this is brought up to date for a log when its last 64 blocks are not in it. What lies behind
-- indexed_through is looked for among the blocks themselves: stream_block is all of them.
DROP INDEX block_stream;
ALTER TABLE log ADD COLUMN indexed_through INTEGER NOT NULL DEFAULT 0;

CREATE TABLE stream_index (
    log    INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (log, stream, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO stream_index SELECT log, stream, seq, n FROM block;
UPDATE log SET indexed_through = cursor;

CREATE TRIGGER block_indexed AFTER INSERT ON block
WHEN NEW.seq NOT BETWEEN (SELECT indexed_through + 1 FROM log WHERE id = NEW.log)
    AND (SELECT indexed_through + 63 FROM log WHERE id = NEW.log)
BEGIN
    INSERT INTO stream_index
    SELECT log, stream, seq, n FROM block
    WHERE log = NEW.log
      AND seq BETWEEN min(NEW.seq, (SELECT indexed_through + 1 FROM log WHERE id = NEW.log)) AND NEW.seq
    ORDER BY stream, seq;
    UPDATE log SET indexed_through = max(indexed_through, NEW.seq) WHERE id = NEW.log;
END;

CREATE TRIGGER block_deleted AFTER DELETE ON block
BEGIN
    DELETE FROM stream_index WHERE log = OLD.log AND stream = OLD.stream AND seq = OLD.seq;
END;

-- The cast keeps a limit on seq from being taken for where to begin among the blocks: that is indexed_through.
CREATE VIEW stream_block AS
SELECT log, stream, seq, n FROM stream_index
UNION ALL
SELECT block.log, block.stream, CAST(block.seq AS INTEGER), block.n
FROM log CROSS JOIN block ON block.log = log.id AND block.seq > log.indexed_through;
