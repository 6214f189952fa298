-- Instants are Unix milliseconds unless the name says otherwise.

CREATE TABLE user (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL UNIQUE COLLATE NOCASE,
  password TEXT NOT NULL,              -- argon2id, PHC string
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  toc_accepted_ms INTEGER NOT NULL,
  privacy_accepted_ms INTEGER NOT NULL,
  settings TEXT NOT NULL,              -- a JSON object
  settings_updated_ms INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  last_sync_ms INTEGER
) STRICT;

-- One log-in and all tokens that were refreshed from it.
CREATE TABLE family (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE
) STRICT;

CREATE TABLE token (
  hash BLOB PRIMARY KEY,               -- SHA-256 of the token
  family INTEGER NOT NULL REFERENCES family(id) ON DELETE CASCADE,
  role INTEGER NOT NULL CHECK (role IN (1, 2)), -- 1 access, 2 refresh
  expires_ms INTEGER NOT NULL,
  used_ms INTEGER,                     -- a refresh token that was exchanged
  salt BLOB                            -- with the token itself, gives its successors
) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_family ON token (family);

CREATE TABLE hour (
  id INTEGER PRIMARY KEY,
  user INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  kind INTEGER NOT NULL,
  hour INTEGER NOT NULL,               -- hours since 1970
  count INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (user, kind, hour)
) STRICT;

CREATE TABLE day (
  user INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  kind INTEGER NOT NULL,
  day INTEGER NOT NULL,                -- days since 1970
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  PRIMARY KEY (user, kind, day)
) STRICT, WITHOUT ROWID;

-- What was answered to an idempotency key.
CREATE TABLE receipt (
  user INTEGER NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  sha256 BLOB NOT NULL,                -- of what was uploaded
  answer TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_by_age ON receipt (at_ms);
