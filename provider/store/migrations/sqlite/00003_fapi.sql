-- +goose Up

-- When the grant was last merged or replaced, 0 when never: what a change of it is conditional on.
ALTER TABLE grants ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;

CREATE TABLE pushed_requests (
    seq        INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    data       TEXT    NOT NULL
);
CREATE INDEX pushed_requests_expiry ON pushed_requests (expires_at);

-- Written on every request that is bound to a DPoP key: one B-tree, no index on expiry; the sweep walks the key
-- instead.
CREATE TABLE dpop_proofs (
    digest     BLOB    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE dpop_nonces (
    seq        INTEGER PRIMARY KEY,
    nonce      TEXT    NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
);
CREATE INDEX dpop_nonces_expiry ON dpop_nonces (expires_at);

-- status is "pending", "approved", "denied" or "redeemed". next_poll is changed by each poll, so that of two that
-- come at once one is the first. grant_id is '' until the request is approved.
CREATE TABLE backchannel_requests (
    seq           INTEGER PRIMARY KEY,
    digest        BLOB    NOT NULL UNIQUE,
    request_id    TEXT    NOT NULL UNIQUE,
    user_id       TEXT    NOT NULL,
    grant_id      TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    poll_interval INTEGER NOT NULL,
    next_poll     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    used_at       INTEGER,
    data          TEXT    NOT NULL
);
CREATE INDEX backchannel_requests_user ON backchannel_requests (user_id);
CREATE INDEX backchannel_requests_expiry ON backchannel_requests (expires_at);

-- A queue: next_at is when a delivery is due, or when the lease of the process that has it ends.
CREATE TABLE deliveries (
    seq         INTEGER PRIMARY KEY,
    delivery_id TEXT    NOT NULL UNIQUE,
    attempts    INTEGER NOT NULL,
    next_at     INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    data        TEXT    NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (next_at);
CREATE INDEX deliveries_expiry ON deliveries (expires_at);
