-- +goose NO TRANSACTION
-- +goose Up

-- What a grant that was derived from tokens of others came from, near and far: kind is "grant" or "token", origin the
-- grant's id or the token's jti. A derived grant lives as long as no row of its names something revoked. expires_at is
-- the derived grant's as it was made: a row stays for as long as the grant does.
CREATE TABLE IF NOT EXISTS grant_origins (
    seq        BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    grant_id   VARBINARY(128) NOT NULL,
    kind       VARBINARY(16)  NOT NULL,
    origin     VARBINARY(256) NOT NULL,
    expires_at BIGINT         NOT NULL,
    UNIQUE KEY grant_origins_key (grant_id, kind, origin),
    KEY grant_origins_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- status is "pending", "approved", "denied" or "redeemed". next_poll is changed by each poll, so that of two that come
-- at once one is the first. user_code is NULL once a later request has the same code: this one waits no more. grant_id
-- is '' until the request is approved.
CREATE TABLE IF NOT EXISTS device_requests (
    seq           BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest        BINARY(32)     NOT NULL UNIQUE,
    user_code     BINARY(32)     UNIQUE,
    grant_id      VARBINARY(128) NOT NULL,
    status        VARBINARY(16)  NOT NULL,
    poll_interval BIGINT         NOT NULL,
    next_poll     BIGINT         NOT NULL,
    expires_at    BIGINT         NOT NULL,
    used_at       BIGINT,
    data          MEDIUMTEXT     NOT NULL,
    KEY device_requests_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
