-- Administrators, early access, and firmware.

ALTER TABLE user ADD COLUMN is_admin INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN early_access INTEGER NOT NULL DEFAULT 0;
ALTER TABLE family ADD COLUMN admin INTEGER NOT NULL DEFAULT 0; -- an administrator's log-in

CREATE TABLE firmware (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  product TEXT NOT NULL COLLATE NOCASE,
  hardware TEXT NOT NULL,              -- a JSON array; empty: every revision
  version TEXT NOT NULL,
  channel TEXT NOT NULL,
  notes TEXT,
  sha256 BLOB NOT NULL,
  manifest BLOB,
  signature BLOB,
  created_ms INTEGER NOT NULL,
  file BLOB NOT NULL,                  -- last: whoever wants the rest need not read past it
  UNIQUE (product, version, channel)
) STRICT;

-- What addresses that expire are sealed with.
CREATE TABLE seal (
  key BLOB NOT NULL
) STRICT;
