#!/bin/sh
# Makes the passwords that docker-compose.yml mounts as secrets, once: in .signet/secrets, or the folder given.
# The folder is yours alone; the files in it are readable because containers read them under accounts of their own.
set -eu
dir=${1:-.signet/secrets}
mkdir -p "$dir"
chmod 0700 "$dir"
for name in db-root-password db-password db-migrate-password grafana-admin-password; do
  [ -e "$dir/$name" ] && continue
  head -c 24 /dev/urandom | base64 | tr -d '\n/+=' >"$dir/$name"
  chmod 0444 "$dir/$name"
  echo "made $dir/$name"
done
