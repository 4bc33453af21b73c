PRAGMA journal_mode = WAL;

-- Receipts that have let somebody in: each does so once.
CREATE TABLE IF NOT EXISTS used_receipts (
    verification_id TEXT PRIMARY KEY,
    used_at         REAL NOT NULL
);

-- How the verifications of our logins stand, as events told it. sequence: of the last one.
CREATE TABLE IF NOT EXISTS verifications (
    id        TEXT PRIMARY KEY,
    reference TEXT NOT NULL,
    sequence  INTEGER NOT NULL,
    status    TEXT NOT NULL,
    call      TEXT NOT NULL,
    told_at   REAL NOT NULL
);

-- Events that were taken, so that one that comes twice is known.
CREATE TABLE IF NOT EXISTS events (
    webhook_id TEXT PRIMARY KEY,
    reference  TEXT NOT NULL,
    type       TEXT NOT NULL,
    sequence   INTEGER NOT NULL,
    timestamp  TEXT NOT NULL,
    told_at    REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of_a_login ON events (reference, sequence);
