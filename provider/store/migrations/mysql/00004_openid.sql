-- +goose NO TRANSACTION
-- +goose Up

-- Which clients have grants that were made in a session. The rows outlive the session: its logout still has to find
-- them when the session is gone.
CREATE TABLE IF NOT EXISTS participations (
    seq        BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    sid        VARBINARY(128) NOT NULL,
    client_id  VARBINARY(255) NOT NULL,
    grant_id   VARBINARY(128) NOT NULL,
    expires_at BIGINT         NOT NULL,
    data       MEDIUMTEXT     NOT NULL,
    UNIQUE KEY participations_key (sid, client_id, grant_id),
    KEY participations_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What data says too. '' for a delivery that an earlier program queued: the first to look for due ones fills it in.
-- MySQL has no ADD COLUMN IF NOT EXISTS. The key comes by a statement of its own: TiDB adds no key on a column that the
-- same statement adds.
SET @add = IF(EXISTS (SELECT 1 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'deliveries' AND column_name = 'kind'), 'DO 0',
    'ALTER TABLE deliveries ADD COLUMN kind VARBINARY(64) NOT NULL DEFAULT ''''');
PREPARE add_column FROM @add;
EXECUTE add_column;
DEALLOCATE PREPARE add_column;

SET @add = IF(EXISTS (SELECT 1 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'deliveries' AND index_name = 'deliveries_kind'), 'DO 0',
    'ALTER TABLE deliveries ADD KEY deliveries_kind (kind, next_at)');
PREPARE add_key FROM @add;
EXECUTE add_key;
DEALLOCATE PREPARE add_key;
