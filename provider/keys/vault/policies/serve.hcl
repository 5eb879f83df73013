# Signet's servers ({{.Prefix}}): they use the keys and cannot make, change, export or destroy any.
{{- if eq .Backend "transit"}}
{{- range .SigningKeys}}
path "{{$.TransitMount}}/keys/{{.}}" {
  capabilities = ["read"]
}
path "{{$.TransitMount}}/sign/{{.}}" {
  capabilities = ["update"]
}
{{- end}}

# Clients encrypt to this key.
path "{{.TransitMount}}/keys/{{.DecryptionKey}}" {
  capabilities = ["read"]
}
path "{{.TransitMount}}/decrypt/{{.DecryptionKey}}" {
  capabilities = ["update"]
}

# Secrets in the database are opened with the data key. Sealing them is the keeper's.
path "{{.TransitMount}}/keys/{{.DataKey}}" {
  capabilities = ["read"]
}
path "{{.TransitMount}}/decrypt/{{.DataKey}}" {
  capabilities = ["update"]
}

# Which versions of the keys are in use, and from when.
path "{{.KVMount}}/data/{{.Prefix}}/transit" {
  capabilities = ["read"]
}
{{- else}}
path "{{.KVMount}}/data/{{.Prefix}}/keys" {
  capabilities = ["read"]
}
path "{{.KVMount}}/data/{{.Prefix}}/data-keys" {
  capabilities = ["read"]
}
{{- end}}
{{template "token.hcl"}}
