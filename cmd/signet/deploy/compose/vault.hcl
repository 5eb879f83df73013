# One node with integrated storage. Several, and an unsealing by KMS or HSM in place of vault-unsealer, are the next step.
ui            = false
disable_mlock = true # integrated storage maps its files; the container has no IPC_LOCK
api_addr      = "https://vault:8200"
cluster_addr  = "https://vault:8201"

storage "raft" {
  path    = "/vault/file"
  node_id = "vault-1"
}

listener "tcp" {
  address         = "0.0.0.0:8200"
  tls_cert_file   = "/etc/vault/pki/vault.pem"
  tls_key_file    = "/etc/vault/pki/vault-key.pem"
  tls_min_version = "tls12"
}
