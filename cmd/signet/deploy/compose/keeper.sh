#!/bin/sh
# Rotates and retires keys when they are due. Clients and users are added here too, with "docker compose exec keeper
# signet client add": sealing a secret takes the keeper's identity.
set -eu
while :; do
  signet key maintain && touch /tmp/maintained
  sleep 600
done
