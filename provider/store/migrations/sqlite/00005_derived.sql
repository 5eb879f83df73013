-- +goose Up

-- What a grant that was derived from tokens of others came from, near and far: kind is "grant" or "token", origin the
-- grant's id or the token's jti. A derived grant lives as long as no row of its names something revoked. expires_at is
-- the derived grant's as it was made: a row stays for as long as the grant does.
CREATE TABLE grant_origins (
    seq        INTEGER PRIMARY KEY,
    grant_id   TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (grant_id, kind, origin)
);
CREATE INDEX grant_origins_expiry ON grant_origins (expires_at);

-- status is "pending", "approved", "denied" or "redeemed". next_poll is changed by each poll, so that of two that come
-- at once one is the first. user_code is NULL once a later request has the same code: this one waits no more. grant_id
-- is '' until the request is approved.
CREATE TABLE device_requests (
    seq           INTEGER PRIMARY KEY,
    digest        BLOB    NOT NULL UNIQUE,
    user_code     BLOB    UNIQUE,
    grant_id      TEXT    NOT NULL,
    status        TEXT    NOT NULL,
    poll_interval INTEGER NOT NULL,
    next_poll     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    used_at       INTEGER,
    data          TEXT    NOT NULL
);
CREATE INDEX device_requests_expiry ON device_requests (expires_at);
