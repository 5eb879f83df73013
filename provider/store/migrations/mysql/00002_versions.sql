-- +goose NO TRANSACTION
-- +goose Up

-- What processes hold in memory has a version here, counted up in the transaction that changes it.
CREATE TABLE IF NOT EXISTS versions (
    topic   VARBINARY(64) NOT NULL PRIMARY KEY,
    version BIGINT        NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
INSERT IGNORE INTO versions (topic, version) VALUES ('clients', 0), ('keys', 0);
