-- +goose NO TRANSACTION
-- +goose Up

-- When the grant was last merged or replaced, 0 when never: what a change of it is conditional on. MySQL has no
-- ADD COLUMN IF NOT EXISTS.
SET @add = IF(EXISTS (SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'grants'
    AND column_name = 'updated_at'), 'DO 0', 'ALTER TABLE grants ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0');
PREPARE add_column FROM @add;
EXECUTE add_column;
DEALLOCATE PREPARE add_column;

CREATE TABLE IF NOT EXISTS pushed_requests (
    seq        BIGINT     NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest     BINARY(32) NOT NULL UNIQUE,
    expires_at BIGINT     NOT NULL,
    used_at    BIGINT,
    data       MEDIUMTEXT NOT NULL,
    KEY pushed_requests_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Written on every request that is bound to a DPoP key: one B-tree, no index on expiry; the sweep walks the key
-- instead.
CREATE TABLE IF NOT EXISTS dpop_proofs (
    digest     BINARY(32) NOT NULL PRIMARY KEY,
    expires_at BIGINT     NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS dpop_nonces (
    seq        BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    nonce      VARBINARY(128) NOT NULL UNIQUE,
    expires_at BIGINT         NOT NULL,
    KEY dpop_nonces_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- status is "pending", "approved", "denied" or "redeemed". next_poll is changed by each poll, so that of two that
-- come at once one is the first. grant_id is '' until the request is approved.
CREATE TABLE IF NOT EXISTS backchannel_requests (
    seq           BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest        BINARY(32)     NOT NULL UNIQUE,
    request_id    VARBINARY(128) NOT NULL UNIQUE,
    user_id       VARBINARY(255) NOT NULL,
    grant_id      VARBINARY(128) NOT NULL,
    status        VARBINARY(16)  NOT NULL,
    poll_interval BIGINT         NOT NULL,
    next_poll     BIGINT         NOT NULL,
    expires_at    BIGINT         NOT NULL,
    used_at       BIGINT,
    data          MEDIUMTEXT     NOT NULL,
    KEY backchannel_requests_user (user_id),
    KEY backchannel_requests_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A queue: next_at is when a delivery is due, or when the lease of the process that has it ends.
CREATE TABLE IF NOT EXISTS deliveries (
    seq         BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    delivery_id VARBINARY(128) NOT NULL UNIQUE,
    attempts    BIGINT         NOT NULL,
    next_at     BIGINT         NOT NULL,
    expires_at  BIGINT         NOT NULL,
    data        MEDIUMTEXT     NOT NULL,
    KEY deliveries_due (next_at),
    KEY deliveries_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
