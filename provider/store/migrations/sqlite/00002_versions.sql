-- +goose Up

-- What processes hold in memory has a version here, counted up in the transaction that changes it.
CREATE TABLE versions (
    topic   TEXT    PRIMARY KEY,
    version INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO versions (topic, version) VALUES ('clients', 0), ('keys', 0);
