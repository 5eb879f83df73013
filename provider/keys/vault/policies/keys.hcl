# The keeper of Signet's keys ({{.Prefix}}), "signet key": it makes, rotates and retires them. It can neither
# sign nor decrypt with transit keys, nor make one that can leave Vault, nor delete one as a whole.
{{- if eq .Backend "transit"}}
{{- range .VersionedKeys}}
path "{{$.TransitMount}}/keys/{{.}}" {
  capabilities = ["create", "read", "update"]
  allowed_parameters = {
    "type"                   = ["ecdsa-p256", "rsa-3072", "ed25519"]
    "exportable"             = [false]
    "allow_plaintext_backup" = [false]
  }
}
path "{{$.TransitMount}}/keys/{{.}}/rotate" {
  capabilities = ["create", "update"]
}
path "{{$.TransitMount}}/keys/{{.}}/config" {
  capabilities = ["create", "update"]
  allowed_parameters = {
    "min_decryption_version" = []
    "min_encryption_version" = []
  }
}
path "{{$.TransitMount}}/keys/{{.}}/trim" {
  capabilities = ["create", "update"]
  allowed_parameters = {
    "min_available_version" = []
  }
}
{{- end}}

# "signet client add" seals a new client's secret. It opens none. Without "create", encrypt makes no key.
path "{{.TransitMount}}/encrypt/{{.DataKey}}" {
  capabilities = ["update"]
}
# What the data key has sealed stays in the database: none of its versions may go.
path "{{.TransitMount}}/keys/{{.DataKey}}" {
  capabilities = ["create", "read", "update"]
  allowed_parameters = {
    "type"                   = ["aes256-gcm96"]
    "exportable"             = [false]
    "allow_plaintext_backup" = [false]
  }
}
path "{{.TransitMount}}/keys/{{.DataKey}}/rotate" {
  capabilities = ["create", "update"]
}

# Which versions of the keys are in use, and from when.
path "{{.KVMount}}/data/{{.Prefix}}/transit" {
  capabilities = ["create", "read", "update"]
}
{{- else}}
path "{{.KVMount}}/data/{{.Prefix}}/keys" {
  capabilities = ["create", "read", "update"]
}
path "{{.KVMount}}/data/{{.Prefix}}/data-keys" {
  capabilities = ["create", "read", "update"]
}

# Retired keys are destroyed, not only superseded.
path "{{.KVMount}}/metadata/{{.Prefix}}/keys" {
  capabilities = ["create", "read", "update"]
}
path "{{.KVMount}}/destroy/{{.Prefix}}/keys" {
  capabilities = ["create", "update"]
}
{{- end}}
{{template "token.hcl"}}
