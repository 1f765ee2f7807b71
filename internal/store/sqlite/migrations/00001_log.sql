-- +goose Up

-- One row for each entry of the log. body is what counts: leaf is its hash and
-- every other column is derived from it, for queries.
CREATE TABLE entries (
    shard    INTEGER NOT NULL CHECK (shard >= 0),
    seq      INTEGER NOT NULL CHECK (seq BETWEEN 0 AND 9007199254740991), -- 2^53 − 1
    instant  INTEGER NOT NULL, -- nanoseconds since 1970
    kind     TEXT    NOT NULL,
    id       TEXT    NOT NULL, -- of a decision; else empty, as are agent, action and decision
    caller   TEXT    NOT NULL,
    agent    TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    decision TEXT    NOT NULL,
    leaf     BLOB    NOT NULL CHECK (length(leaf) = 32),
    body     TEXT    NOT NULL,
    PRIMARY KEY (shard, seq)
) STRICT;

-- Indexes cost a third of a commit. Decisions are asked for by agent, action and
-- time; of the other kinds there are few. The rest is found by scanning.
CREATE UNIQUE INDEX entries_by_id ON entries (id) WHERE id <> '';
CREATE INDEX entries_by_instant ON entries (shard, instant, seq);
CREATE INDEX entries_by_agent ON entries (shard, agent, seq) WHERE agent <> '';
CREATE INDEX entries_by_action ON entries (shard, action, seq) WHERE action <> '';
CREATE INDEX entries_by_kind ON entries (shard, kind, seq) WHERE kind <> 'decision';

-- What an entry is only committed to, and what can be erased.
CREATE TABLE private (
    shard   INTEGER NOT NULL CHECK (shard >= 0),
    seq     INTEGER NOT NULL CHECK (seq BETWEEN 0 AND 9007199254740991),
    request TEXT    NOT NULL, -- canonical JSON
    salt    BLOB    NOT NULL,
    digest  TEXT    NOT NULL, -- sha256:… of request
    PRIMARY KEY (shard, seq)
) STRICT, WITHOUT ROWID;

-- The Merkle head of each shard, advanced in the transaction of its entries.
CREATE TABLE heads (
    shard   INTEGER PRIMARY KEY CHECK (shard >= 0),
    size    INTEGER NOT NULL CHECK (size BETWEEN 0 AND 9007199254740992),
    root    BLOB    NOT NULL CHECK (length(root) = 32),
    "range" BLOB    NOT NULL CHECK (length("range") % 32 = 0)
) STRICT;

-- Versioned documents beside the log.
CREATE TABLE records (
    kind    TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    value   BLOB    NOT NULL,
    expires INTEGER NOT NULL, -- nanoseconds since 1970; 0: never
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX records_by_expiry ON records (expires) WHERE expires <> 0;

-- The last commits, so that one whose outcome was lost can be settled.
CREATE TABLE batches (
    id TEXT    NOT NULL PRIMARY KEY,
    n  INTEGER NOT NULL -- counts up; the oldest are forgotten
) STRICT, WITHOUT ROWID;
