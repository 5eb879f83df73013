-- +goose Up

-- Conventions: *_at is Unix microseconds; data is the JSON form of the oauth type; seq is the insertion
-- order and the clustering key, so that new rows share pages; digests are SHA-256, 32 bytes. What is
-- in a key column wins over what data says.

CREATE TABLE clients (
    seq       INTEGER PRIMARY KEY,
    client_id TEXT    NOT NULL UNIQUE,
    data      TEXT    NOT NULL
);

CREATE TABLE users (
    seq      INTEGER PRIMARY KEY,
    user_id  TEXT    NOT NULL UNIQUE,
    username TEXT    NOT NULL UNIQUE,
    data     TEXT    NOT NULL
);

-- A grant's row is also the head of its refresh-token family: at most one token, refresh_current, is
-- usable, whatever the rows in refresh_tokens.
CREATE TABLE grants (
    seq                INTEGER PRIMARY KEY,
    grant_id           TEXT    NOT NULL UNIQUE,
    client_id          TEXT    NOT NULL,
    user_id            TEXT    NOT NULL,
    expires_at         INTEGER NOT NULL,
    revoked_at         INTEGER,
    refresh_current    BLOB,
    refresh_previous   BLOB,
    refresh_rotated_at INTEGER,
    data               TEXT    NOT NULL
);
CREATE INDEX grants_client ON grants (client_id);
CREATE INDEX grants_user ON grants (user_id);
CREATE INDEX grants_expiry ON grants (expires_at);

CREATE TABLE codes (
    seq        INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE,
    grant_id   TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    data       TEXT    NOT NULL
);
CREATE INDEX codes_expiry ON codes (expires_at);

CREATE TABLE refresh_tokens (
    seq        INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE,
    grant_id   TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    data       TEXT    NOT NULL
);
CREATE INDEX refresh_tokens_expiry ON refresh_tokens (expires_at);

CREATE TABLE opaque_tokens (
    seq        INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    data       TEXT    NOT NULL
);
CREATE INDEX opaque_tokens_expiry ON opaque_tokens (expires_at);

CREATE TABLE revoked_tokens (
    seq        INTEGER PRIMARY KEY,
    jti        TEXT    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
);
CREATE INDEX revoked_tokens_expiry ON revoked_tokens (expires_at);

CREATE TABLE sessions (
    seq        INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    data       TEXT    NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE interactions (
    seq        INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    data       TEXT    NOT NULL
);
CREATE INDEX interactions_expiry ON interactions (expires_at);

-- One row per thing agreed to, so that consent grows without being read first. kind is "consent" (one
-- row, at is the latest approval), "scope" or "resource".
CREATE TABLE consents (
    user_id   TEXT    NOT NULL,
    client_id TEXT    NOT NULL,
    kind      TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (user_id, client_id, kind, value)
) WITHOUT ROWID;

-- Written on most token requests: one B-tree, no index on expiry; the sweep walks the key instead.
CREATE TABLE assertions (
    client_id  TEXT    NOT NULL,
    jti        TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (client_id, jti)
) WITHOUT ROWID;

-- Written on every request: ordered by time, so that entries are appended, and no other index.
CREATE TABLE audit (
    at         INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    PRIMARY KEY (at, id)
) WITHOUT ROWID;

-- What the readiness check writes to.
CREATE TABLE liveness (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
);
INSERT INTO liveness (id, at) VALUES (1, 0);
