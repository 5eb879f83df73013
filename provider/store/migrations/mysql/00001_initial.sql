-- +goose NO TRANSACTION
-- +goose Up

-- Conventions as in SQLite's: *_at is Unix microseconds; data is the JSON form of the oauth type; seq is the
-- insertion order; digests are SHA-256. Identifiers are bytes, so that they are compared byte by byte, with no
-- collation and no padding. DDL commits by itself here: every statement may be repeated after a crash.

CREATE TABLE IF NOT EXISTS clients (
    seq       BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    client_id VARBINARY(255) NOT NULL UNIQUE,
    data      MEDIUMTEXT     NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS users (
    seq      BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id  VARBINARY(255) NOT NULL UNIQUE,
    username VARBINARY(256) NOT NULL UNIQUE,
    data     MEDIUMTEXT     NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A grant's row is also the head of its refresh-token family: at most one token, refresh_current, is
-- usable, whatever the rows in refresh_tokens.
CREATE TABLE IF NOT EXISTS grants (
    seq                BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    grant_id           VARBINARY(128) NOT NULL UNIQUE,
    client_id          VARBINARY(255) NOT NULL,
    user_id            VARBINARY(255) NOT NULL,
    expires_at         BIGINT         NOT NULL,
    revoked_at         BIGINT,
    refresh_current    BINARY(32),
    refresh_previous   BINARY(32),
    refresh_rotated_at BIGINT,
    data               MEDIUMTEXT     NOT NULL,
    KEY grants_client (client_id),
    KEY grants_user (user_id),
    KEY grants_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS codes (
    seq        BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest     BINARY(32)     NOT NULL UNIQUE,
    grant_id   VARBINARY(128) NOT NULL,
    expires_at BIGINT         NOT NULL,
    used_at    BIGINT,
    data       MEDIUMTEXT     NOT NULL,
    KEY codes_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS refresh_tokens (
    seq        BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest     BINARY(32)     NOT NULL UNIQUE,
    grant_id   VARBINARY(128) NOT NULL,
    expires_at BIGINT         NOT NULL,
    data       MEDIUMTEXT     NOT NULL,
    KEY refresh_tokens_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS opaque_tokens (
    seq        BIGINT     NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest     BINARY(32) NOT NULL UNIQUE,
    expires_at BIGINT     NOT NULL,
    data       MEDIUMTEXT NOT NULL,
    KEY opaque_tokens_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS revoked_tokens (
    seq        BIGINT         NOT NULL AUTO_INCREMENT PRIMARY KEY,
    jti        VARBINARY(256) NOT NULL UNIQUE,
    expires_at BIGINT         NOT NULL,
    KEY revoked_tokens_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS sessions (
    seq        BIGINT     NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest     BINARY(32) NOT NULL UNIQUE,
    expires_at BIGINT     NOT NULL,
    data       MEDIUMTEXT NOT NULL,
    KEY sessions_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS interactions (
    seq        BIGINT     NOT NULL AUTO_INCREMENT PRIMARY KEY,
    digest     BINARY(32) NOT NULL UNIQUE,
    expires_at BIGINT     NOT NULL,
    data       MEDIUMTEXT NOT NULL,
    KEY interactions_expiry (expires_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- One row per thing agreed to, so that consent grows without being read first. kind is "consent" (one
-- row, at is the latest approval), "scope" or "resource". The key has 2574 of InnoDB's 3072 bytes.
CREATE TABLE IF NOT EXISTS consents (
    user_id   VARBINARY(255)  NOT NULL,
    client_id VARBINARY(255)  NOT NULL,
    kind      VARBINARY(16)   NOT NULL,
    value     VARBINARY(2048) NOT NULL,
    at        BIGINT          NOT NULL,
    PRIMARY KEY (user_id, client_id, kind, value)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Written on most token requests: one B-tree, no index on expiry; the sweep walks the key instead.
CREATE TABLE IF NOT EXISTS assertions (
    client_id  VARBINARY(255) NOT NULL,
    jti        VARBINARY(256) NOT NULL,
    expires_at BIGINT         NOT NULL,
    PRIMARY KEY (client_id, jti)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Written on every request: ordered by time, so that entries are appended, and no other index.
CREATE TABLE IF NOT EXISTS audit (
    at         BIGINT         NOT NULL,
    id         VARBINARY(64)  NOT NULL,
    event      VARBINARY(128) NOT NULL,
    client_id  VARBINARY(255) NOT NULL,
    request_id VARBINARY(128) NOT NULL,
    data       MEDIUMTEXT     NOT NULL,
    PRIMARY KEY (at, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What the readiness check writes to.
CREATE TABLE IF NOT EXISTS liveness (
    id INTEGER NOT NULL PRIMARY KEY,
    at BIGINT  NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
INSERT IGNORE INTO liveness (id, at) VALUES (1, 0);

-- One row per transaction, first in it: where the answer to its COMMIT was lost, the row tells whether it was
-- committed. A row with void = 1 was put there afterwards, so that it never can be.
CREATE TABLE IF NOT EXISTS commit_marks (
    at   BIGINT     NOT NULL,
    id   BINARY(16) NOT NULL,
    void TINYINT    NOT NULL,
    PRIMARY KEY (at, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
