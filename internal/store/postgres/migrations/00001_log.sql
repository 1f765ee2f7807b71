-- +goose Up

-- Names and keys are compared and sorted byte for byte: COLLATE "C".

-- One row for each entry of the log. body is what counts: leaf is its hash and
-- every other column is derived from it, for queries.
CREATE TABLE kernel.entries (
    shard    integer NOT NULL CHECK (shard >= 0),
    seq      bigint  NOT NULL CHECK (seq BETWEEN 0 AND 9007199254740991), -- 2^53 − 1
    instant  bigint  NOT NULL, -- nanoseconds since 1970
    kind     text    COLLATE "C" NOT NULL,
    id       text    COLLATE "C" NOT NULL, -- of a decision; else empty, as are agent, action and decision
    caller   text    COLLATE "C" NOT NULL,
    agent    text    COLLATE "C" NOT NULL,
    action   text    COLLATE "C" NOT NULL,
    decision text    COLLATE "C" NOT NULL,
    leaf     bytea   NOT NULL CHECK (length(leaf) = 32),
    body     bytea   NOT NULL,
    PRIMARY KEY (shard, seq)
);

-- Decisions are asked for by agent, action and time; of the other kinds there
-- are few. The rest is found by scanning.
CREATE UNIQUE INDEX entries_by_id ON kernel.entries (id) WHERE id <> '';
CREATE INDEX entries_by_instant ON kernel.entries (shard, instant, seq);
CREATE INDEX entries_by_agent ON kernel.entries (shard, agent, seq) WHERE agent <> '';
CREATE INDEX entries_by_action ON kernel.entries (shard, action, seq) WHERE action <> '';
CREATE INDEX entries_by_kind ON kernel.entries (shard, kind, seq) WHERE kind <> 'decision';

-- What an entry is only committed to, and what can be erased.
CREATE TABLE kernel.private (
    shard   integer NOT NULL CHECK (shard >= 0),
    seq     bigint  NOT NULL CHECK (seq BETWEEN 0 AND 9007199254740991),
    request bytea   NOT NULL, -- canonical JSON
    salt    bytea   NOT NULL,
    digest  text    COLLATE "C" NOT NULL, -- sha256:… of request
    PRIMARY KEY (shard, seq)
);

-- The Merkle head of each shard, advanced in the transaction of its entries.
-- Whoever commits to a shard holds the lock of this row until the end.
CREATE TABLE kernel.heads (
    shard   integer PRIMARY KEY CHECK (shard >= 0),
    size    bigint NOT NULL DEFAULT 0 CHECK (size BETWEEN 0 AND 9007199254740992),
    root    bytea  NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (length(root) = 32),
    "range" bytea  NOT NULL DEFAULT '' CHECK (length("range") % 32 = 0),
    instant bigint NOT NULL DEFAULT 0, -- of the last entry
    epoch   bigint NOT NULL DEFAULT 0  -- of the lease under which the shard is written
);

-- Versioned documents beside the log. A key may be longer than an index can
-- hold, so rows are found by its SHA-256 and listed by its beginning.
CREATE TABLE kernel.records (
    kind    text   COLLATE "C" NOT NULL,
    hash    bytea  NOT NULL CHECK (length(hash) = 32),
    key     text   COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version >= 0), -- 0: a guard's place, never committed
    value   bytea  NOT NULL,
    expires bigint NOT NULL, -- nanoseconds since 1970; 0: never
    PRIMARY KEY (kind, hash)
);

CREATE INDEX records_by_key ON kernel.records (kind, left(key, 200));
CREATE INDEX records_by_expiry ON kernel.records (expires) WHERE expires <> 0;

-- The last commits, so that one whose outcome was lost can be settled.
CREATE TABLE kernel.batches (
    id text   COLLATE "C" PRIMARY KEY,
    n  bigint GENERATED ALWAYS AS IDENTITY -- counts up; the oldest are forgotten
);

CREATE INDEX batches_by_number ON kernel.batches (n);

-- Who writes a shard, for how long by this server's clock.
CREATE TABLE kernel.leases (
    shard   integer PRIMARY KEY CHECK (shard >= 0),
    owner   text COLLATE "C" NOT NULL,
    epoch   bigint NOT NULL CHECK (epoch > 0),
    expires timestamptz NOT NULL
);

-- How often the records of a kind changed in a way that all nodes must notice.
CREATE TABLE kernel.revisions (
    kind text   COLLATE "C" PRIMARY KEY,
    n    bigint NOT NULL CHECK (n > 0)
);
