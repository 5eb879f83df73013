#!/bin/bash
# Runs once, when the database is new: one account for the servers, which may not change tables, and one for migrations.
# Both only over TLS. The passwords are of letters and digits only (secrets.sh).
set -euo pipefail
secret() { cat "${SECRETS:-/run/secrets}/$1"; }
MYSQL_PWD=$(secret db-root-password) mysql --user=root <<SQL
CREATE USER 'signet'@'%' IDENTIFIED BY '$(secret db-password)' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE ON signet.* TO 'signet'@'%';
CREATE USER 'signet-migrate'@'%' IDENTIFIED BY '$(secret db-migrate-password)' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON signet.* TO 'signet-migrate'@'%';
SQL
