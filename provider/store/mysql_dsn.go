package store

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const defaultPool = 16

// mysqlDSN is what a DSN of the form
//
//	mysql:USER@HOST[:PORT][,HOST[:PORT]...]/DATABASE?password_file=F&ca=F&cert=F&key=F&server_name=N&pool=N
//	mysql:USER@unix(PATH)/DATABASE?password_file=F&pool=N
//
// says. Over TCP it is always TLS; the files are read again for each connection, so that they can be renewed.
type mysqlDSN struct {
	user, database string
	network        string   // "tcp" or "unix"
	addresses      []string // in the order in which they are tried
	passwordFile   string   // "" = no password
	ca, cert, key  string   // ca "" = the system's
	serverName     string   // "" = the host
	pool           int      // connections
}

var (
	databaseName = regexp.MustCompile(`^[0-9A-Za-z_$-]{1,64}$`)
	optionName   = regexp.MustCompile(`^[a-z_]{1,32}$`)
)

// parseMySQL reads what follows "mysql:". Its errors repeat only what cannot be a secret.
func parseMySQL(rest string) (*mysqlDSN, error) {
	fail := func(format string, args ...any) (*mysqlDSN, error) {
		return nil, fmt.Errorf("store: the DSN "+format, args...)
	}
	rest, query, _ := strings.Cut(rest, "?")
	d := &mysqlDSN{network: "tcp", pool: defaultPool}
	at := strings.Index(rest, "@unix(") // a socket's path may have an "@" of its own
	if at < 0 {
		at = strings.LastIndex(rest, "@")
	}
	if at < 1 {
		return fail("has no user; expected mysql:user@host/database")
	}
	user, place := rest[:at], rest[at+1:]
	if strings.Contains(user, ":") {
		return fail("has a password or a \":\" in the user's name; a password belongs in a file that password_file names")
	}
	var err error
	if d.user, err = url.PathUnescape(user); err != nil || len(d.user) > 80 {
		return fail("has a malformed user")
	}
	slash := strings.LastIndex(place, "/")
	if slash < 0 || !databaseName.MatchString(place[slash+1:]) {
		return fail("names no database of letters, digits, \"_\", \"-\" and \"$\" after the last \"/\"")
	}
	d.database = place[slash+1:]
	if err := d.readAddresses(place[:slash]); err != nil {
		return fail("%w", err)
	}
	if err := d.readOptions(query); err != nil {
		return fail("%w", err)
	}
	return d, nil
}

func (d *mysqlDSN) readAddresses(list string) error {
	if path, ok := strings.CutPrefix(list, "unix("); ok {
		path, closed := strings.CutSuffix(path, ")")
		if !closed || path == "" {
			return errors.New("has a malformed socket; expected unix(/path/to/socket)")
		}
		d.network, d.addresses = "unix", []string{path}
		return nil
	}
	for address := range strings.SplitSeq(list, ",") {
		host, port, err := net.SplitHostPort(address)
		if err != nil { // no port
			host, port = strings.TrimSuffix(strings.TrimPrefix(address, "["), "]"), "3306"
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if host == "" || strings.ContainsAny(host, "()[]/@ ") || strings.Contains(host, ":") && net.ParseIP(host) == nil || err != nil || n == 0 {
			return errors.New("has a malformed address; expected host, host:port or [IPv6]:port, more of them after commas")
		}
		d.addresses = append(d.addresses, net.JoinHostPort(host, port))
	}
	return nil
}

func (d *mysqlDSN) readOptions(query string) error {
	options, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("has malformed options after the \"?\"")
	}
	places := map[string]*string{
		"password_file": &d.passwordFile, "ca": &d.ca, "cert": &d.cert, "key": &d.key, "server_name": &d.serverName,
	}
	for name, given := range options {
		place := places[name]
		switch {
		case !optionName.MatchString(name):
			return errors.New("has an option with a malformed name")
		case place == nil && name != "pool":
			return fmt.Errorf("has the unknown option %q; known: password_file, ca, cert, key, server_name, pool", name)
		case len(given) != 1 || given[0] == "":
			return fmt.Errorf("needs one value for the option %q", name)
		case name == "pool":
			if d.pool, err = strconv.Atoi(given[0]); err != nil || d.pool < 2 || d.pool > 512 {
				return errors.New("needs a pool of 2 to 512 connections")
			}
		default:
			*place = given[0]
		}
	}
	if (d.cert == "") != (d.key == "") {
		return errors.New("needs both cert and key, or none")
	}
	if d.network == "unix" && slices.ContainsFunc([]string{d.ca, d.cert, d.serverName}, func(s string) bool { return s != "" }) {
		return errors.New("has options for TLS, which a unix socket does without")
	}
	return nil
}

// readable lists the secret files that others on the machine can read.
func (d *mysqlDSN) readable() (files []string) {
	for _, file := range []string{d.passwordFile, d.key} {
		if file == "" {
			continue
		}
		info, err := os.Stat(file) // #nosec G703 -- the operator names it
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			files = append(files, file)
		}
	}
	return files
}
