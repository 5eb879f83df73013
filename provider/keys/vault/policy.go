package vault

import (
	"embed"
	"strings"
	"text/template"
)

//go:embed policies/*.hcl
var policyFiles embed.FS

var policyTemplates = template.Must(template.ParseFS(policyFiles, "policies/*.hcl"))

// Layout is where in Vault an installation's keys are. The names are parts of paths and of policies: only
// letters, digits, "-" and "_", in mounts also "/".
type Layout struct {
	Backend      string // transit or vaultkv
	TransitMount string
	KVMount      string
	Prefix       string
}

// signingSuffixes are the transit keys that the backend transit makes, one per algorithm.
var signingSuffixes = []string{"es256", "ps256", "rs256", "eddsa"}

// SigningKeys are the transit keys that sign.
func (l Layout) SigningKeys() []string {
	var names []string
	for _, suffix := range signingSuffixes {
		names = append(names, l.Prefix+"-"+suffix)
	}
	return names
}

// DataKey is the transit key that secrets in the database are sealed with.
func (l Layout) DataKey() string { return l.Prefix + "-data" }

// DecryptionKey is the transit key that what clients encrypt to us is decrypted with.
func (l Layout) DecryptionKey() string { return l.Prefix + "-enc" }

// VersionedKeys are the transit keys whose old versions are destroyed in time: all but the data key.
func (l Layout) VersionedKeys() []string { return append(l.SigningKeys(), l.DecryptionKey()) }

// ServeName is the name of the servers' policy and role.
func (l Layout) ServeName() string { return l.Prefix + "-serve" }

// KeysName is the name of the keeper's policy and role.
func (l Layout) KeysName() string { return l.Prefix + "-keys" }

// ServePolicy is the least that "signet serve" needs: it uses the keys.
func (l Layout) ServePolicy() string { return l.policy("serve.hcl") }

// KeysPolicy is the least that "signet key" needs: it makes, rotates and retires the keys.
func (l Layout) KeysPolicy() string { return l.policy("keys.hcl") }

func (l Layout) policy(name string) string {
	var text strings.Builder
	if err := policyTemplates.ExecuteTemplate(&text, name, l); err != nil {
		panic(err) // the templates are ours and use nothing but Layout
	}
	return strings.TrimSpace(text.String()) + "\n"
}
