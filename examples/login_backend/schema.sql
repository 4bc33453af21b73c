PRAGMA journal_mode = WAL;

-- Receipts that were used for a login. Each can be used once.
CREATE TABLE IF NOT EXISTS used_receipts (
    verification_id TEXT PRIMARY KEY,
    used_at         REAL NOT NULL
);

-- Status of each verification, by the event with the highest sequence.
CREATE TABLE IF NOT EXISTS verifications (
    id          TEXT PRIMARY KEY,
    reference   TEXT NOT NULL,
    sequence    INTEGER NOT NULL,
    status      TEXT NOT NULL,
    call        TEXT NOT NULL,
    received_at REAL NOT NULL
);

-- Received events, so that a repeated delivery is recognized.
CREATE TABLE IF NOT EXISTS events (
    webhook_id  TEXT PRIMARY KEY,
    reference   TEXT NOT NULL,
    type        TEXT NOT NULL,
    sequence    INTEGER NOT NULL,
    timestamp   TEXT NOT NULL,
    received_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of_a_login ON events (reference, sequence);
