-- +goose Up

-- Which clients have grants that were made in a session. The rows outlive the session: its logout still has to find
-- them when the session is gone.
CREATE TABLE participations (
    seq        INTEGER PRIMARY KEY,
    sid        TEXT    NOT NULL,
    client_id  TEXT    NOT NULL,
    grant_id   TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    data       TEXT    NOT NULL,
    UNIQUE (sid, client_id, grant_id)
);
CREATE INDEX participations_expiry ON participations (expires_at);

-- What data says too. '' for a delivery that an earlier program queued: the first to look for due ones fills it in.
ALTER TABLE deliveries ADD COLUMN kind TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_kind ON deliveries (kind, next_at);
