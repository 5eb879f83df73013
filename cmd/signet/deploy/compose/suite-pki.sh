#!/bin/sh
# Makes what is missing of the certificate that the conformance suite shows, from an authority of its own. Nobody trusts
# that but the runs: "signet conformance" takes the certificate of a suite on its own machine as it is.
set -eu
umask 027
pki=${PKI:-/pki}
authority=$pki/authority

signet certs init "$authority" --host localhost.emobix.co.uk --host localhost --host 127.0.0.1
rm -f "$authority"/client-* "$authority"/tpp-*

# give NAME FILES: in one step, so that nobody reads half a file.
give() {
  name=$1
  shift
  cat "$@" >"$pki/suite/.new"
  chmod 0640 "$pki/suite/.new"
  mv "$pki/suite/.new" "$pki/suite/$name"
}
give ca.pem "$authority/ca.pem"
give doors.pem "$authority/server.pem" "$authority/server-key.pem"
