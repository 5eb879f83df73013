#!/bin/sh
# Makes what is missing of a development PKI, and gives each service its part: two authorities, one for the clients and
# what they see, one for the services among themselves. A client's certificate opens nothing inside.
# Real deployments put files of these names in place by their own means; all are read again when they change.
set -eu
umask 027
pki=${PKI:-/pki}
public=$pki/authority/public internal=$pki/authority/internal

signet certs init "$public" --host localhost --host 127.0.0.1
signet certs init "$internal" --host localhost
rm -f "$internal"/client-* "$internal"/tpp-* "$internal"/server* # of these two authorities only one is for clients

# issue NAME FLAGS: a certificate from the internal authority, unless it is there.
issue() {
  [ -e "$internal/$1.pem" ] || signet certs issue "$internal" "$@"
}
issue vault --server --dns vault --dns localhost --ip 127.0.0.1
issue mysql --server --dns mysql
issue operations --server --dns localhost --dns signet-1 --dns signet-2
issue haproxy
issue prometheus
issue monitor

# give FOLDER FROM TO: in one step, so that nobody reads half a file.
give() {
  cp "$2" "$pki/$1/.new"
  chmod 0640 "$pki/$1/.new"
  mv "$pki/$1/.new" "$pki/$1/$3"
}
for service in signet haproxy mysql vault prometheus; do
  give "$service" "$internal/ca.pem" ca.pem
done
for name in server.pem server-key.pem crl.pem; do
  give signet "$public/$name" "$name"
done
give signet "$public/ca.pem" clients-ca.pem
for name in operations monitor; do
  give signet "$internal/$name.pem" "$name.pem"
  give signet "$internal/$name-key.pem" "$name-key.pem"
done
for name in mysql vault prometheus; do
  give "$name" "$internal/$name.pem" "$name.pem"
  give "$name" "$internal/$name-key.pem" "$name-key.pem"
done
cat "$internal/haproxy.pem" "$internal/haproxy-key.pem" >"$pki/authority/haproxy-all.pem"
give haproxy "$pki/authority/haproxy-all.pem" haproxy.pem
