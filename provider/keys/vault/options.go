package vault

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"signet/provider/oauth"
)

// Methods of authentication.
const (
	AppRole    = "approle"
	Cert       = "cert"
	Kubernetes = "kubernetes"
	TokenFile  = "token_file"
	Token      = "token"
)

// Options says which Vault, and as whom.
type Options struct {
	Address   string // https://HOST:PORT; http only for a loopback address
	CAFile    string // PEM; "" = the system's CAs
	Namespace string // Vault Enterprise and OpenBao; "" = none
	Auth      Auth
	Timeout   time.Duration // of one request, with everything that it needs; default 2s
	Clock     oauth.Clock   // required
	Log       *slog.Logger  // default: none
}

// Auth is an identity. All files are read again at each login.
type Auth struct {
	Method string // approle, cert, kubernetes, token_file or token
	Mount  string // where the method is enabled; default: its name
	// Role is the role to log in to: required for kubernetes, optional for cert. For approle it is the name
	// that a wrapped secret id must be for; "" accepts any role of the mount.
	Role string

	RoleIDFile   string // approle
	SecretIDFile string // approle; secret
	// Wrapped: SecretIDFile holds a response-wrapping token. It is unwrapped once, the secret id stays in
	// memory. A new process needs a new one.
	Wrapped bool

	Certificate string // cert: PEM with the chain
	Key         string // cert: PEM; secret

	TokenFile string // token_file; secret. Taken up when it changes.
	JWTFile   string // kubernetes; secret

	Token oauth.Secret // token: an operator's, for a command
}

func (o *Options) complete() error {
	o.Timeout = cmp.Or(o.Timeout, 2*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Auth.Mount == "" {
		o.Auth.Mount = o.Auth.Method
	}
	var faults []error
	if o.Clock == nil {
		faults = append(faults, errors.New("no clock"))
	}
	if u, err := url.Parse(o.Address); err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		faults = append(faults, fmt.Errorf("address %q is no https URL", o.Address))
	}
	return errors.Join(append(faults, o.Auth.validate())...)
}

func loopback(host string) bool { return host == "127.0.0.1" || host == "::1" || host == "localhost" }

func (a Auth) validate() error {
	var need map[string]string
	switch a.Method {
	case AppRole:
		need = map[string]string{"role id file": a.RoleIDFile, "secret id file": a.SecretIDFile}
	case Cert:
		need = map[string]string{"certificate": a.Certificate, "key": a.Key}
	case Kubernetes:
		need = map[string]string{"role": a.Role, "JWT file": a.JWTFile}
	case TokenFile:
		need = map[string]string{"token file": a.TokenFile}
	case Token:
		need = map[string]string{"token": a.Token.Reveal()}
	default:
		return fmt.Errorf("unknown authentication method %q", a.Method)
	}
	var faults []error
	for name, value := range need {
		if value == "" {
			faults = append(faults, fmt.Errorf("authentication method %s needs a %s", a.Method, name))
		}
	}
	return errors.Join(faults...)
}

// secretFiles are those of the method's files that only Signet should be able to read.
func (a Auth) secretFiles() []string {
	switch a.Method {
	case AppRole:
		return []string{a.SecretIDFile}
	case Cert:
		return []string{a.Key}
	case Kubernetes:
		return []string{a.JWTFile}
	case TokenFile:
		return []string{a.TokenFile}
	}
	return nil
}
