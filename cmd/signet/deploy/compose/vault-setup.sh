#!/bin/sh
# Makes what Signet needs in Vault and gives the servers and the keeper their own credentials, new ones at each run;
# then the keeper makes the first keys. The secret ids are not wrapped: a container that restarts needs its own again.
set -eu
umask 077
work=$(mktemp -d)
tries=0
# A Vault that has just been unsealed needs a moment to become active.
until signet vault setup --apply --token-file /vault/unsealer/root-token --bootstrap "$work"; do
  tries=$((tries + 1))
  [ "$tries" -lt 30 ] || exit 1
  sleep 2
done

# give FILE FOLDER NAME: in one step, so that nobody reads half a file.
give() {
  cp "$work/$1" "$2/.new"
  mv "$2/.new" "$2/$3"
}
for name in role-id secret-id; do
  give "serve-$name" /run/signet/identity "$name"
  give "keys-$name" /run/signet/keeper "$name"
done
rm -rf "$work"
signet key maintain
