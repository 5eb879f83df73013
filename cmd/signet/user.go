package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"signet/provider/audit"
	"signet/provider/interaction"
	"signet/provider/oauth"
)

// minPassword is the least that "signet user" accepts (NIST SP 800-63B section 5.1.1.2).
const minPassword = 8

func (c *console) userCommand() *cobra.Command {
	return noun("user", "Accounts that can log in: list, add, set-password, set-code, disable, enable",
		c.userListCommand(), c.userAddCommand(), c.userPasswordCommand(), c.userCodeCommand(),
		c.userSwitchCommand("disable", "Refuse logins by a user from now on", true),
		c.userSwitchCommand("enable", "Accept a disabled user again", false),
	)
}

// shownUser is a user without the hashes of its secrets.
func shownUser(user oauth.User) oauth.User {
	user.PasswordHash, user.UserCodeHash = "", ""
	return user
}

func (c *console) userListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all users", Args: cobra.NoArgs,
		Example: "  signet user list\n  signet user list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				users, err := r.db.Users(cmd.Context())
				if err != nil {
					return err
				}
				list := make([]oauth.User, 0, len(users))
				var rows []table.Row
				for _, user := range users {
					list = append(list, shownUser(user))
					name, _ := user.Claims["name"].(string)
					rows = append(rows, table.Row{user.Username, user.ID, name, yesNo(!user.Disabled), when(user.CreatedAt)})
				}
				return c.show(list, table.Row{"username", "sub", "name", "enabled", "added"}, rows)
			})
		},
	}
}

func (c *console) userAddCommand() *cobra.Command {
	var claims []string
	cmd := &cobra.Command{
		Use:   "add USERNAME",
		Short: "Add a user; the password comes from a prompt or standard input",
		Example: `  signet user add bob --claim name="Bob Berg" --claim email=bob@example.com
  printf '%s\n' "$PASSWORD" | signet user add bob`,
		Args: exactArgs("USERNAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := parseClaims(claims)
			if err != nil {
				return err
			}
			password, err := c.askSecret(cmd.Context(), "password", args[0])
			if err != nil {
				return err
			}
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				user, err := r.addUser(cmd.Context(), args[0], password, values)
				if err != nil {
					return err
				}
				return c.done(shownUser(user), "added %s (sub %s)", user.Username, user.ID)
			})
		},
	}
	cmd.Flags().StringArrayVar(&claims, "claim", nil, "a claim about the user, NAME=VALUE; VALUE may be JSON; repeatable")
	return cmd
}

// parseClaims reads NAME=VALUE pairs; a value that is JSON keeps its type.
func parseClaims(pairs []string) (map[string]any, error) {
	claims := map[string]any{}
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--claim: want NAME=VALUE, not %q", pair)
		}
		if name == "sub" {
			return nil, errors.New("--claim: sub is given by Signet and never changes")
		}
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			value = text
		}
		claims[name] = value
	}
	return claims, nil
}

func (r *registrar) addUser(ctx context.Context, username string, password oauth.Secret, claims map[string]any) (oauth.User, error) {
	if username == "" || len(username) > interaction.MaxUsername {
		return oauth.User{}, next(fmt.Errorf("a username has 1 to %d bytes", interaction.MaxUsername), "choose another")
	}
	id, err := oauth.NewID(r.random)
	if err != nil {
		return oauth.User{}, err
	}
	hash, err := hashPassword(password)
	if err != nil {
		return oauth.User{}, err
	}
	user := oauth.User{ID: id, Username: username, PasswordHash: hash, Claims: claims, CreatedAt: r.clock().UTC()}
	err = r.commit(ctx, audit.UserAdded, oauth.AuditEntry{Subject: user.ID}, oauth.StoreUser{User: user, New: true})
	if conflict := (*oauth.Conflict)(nil); errors.As(err, &conflict) {
		err = next(fmt.Errorf("the user %q exists already", username), "give a new password with: signet user set-password %s", username)
	}
	return user, err
}

func hashPassword(password oauth.Secret) (string, error) {
	if len(password) < minPassword {
		return "", fmt.Errorf("the password is too short: want at least %d characters", minPassword)
	}
	return interaction.HashPassword(password)
}

func (c *console) userPasswordCommand() *cobra.Command {
	return &cobra.Command{
		Use: "set-password USERNAME", Short: "Give a user a new password, from a prompt or standard input",
		Example: "  signet user set-password alice\n  printf '%s\\n' \"$PASSWORD\" | signet user set-password alice",
		Args:    exactArgs("USERNAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				user, err := r.user(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				password, err := c.askSecret(cmd.Context(), "password", user.Username)
				if err != nil {
					return err
				}
				if user.PasswordHash, err = hashPassword(password); err != nil {
					return err
				}
				user.ValidFrom = c.clock() // who knew the old password is out
				about := oauth.AuditEntry{Subject: user.ID, Detail: map[string]any{"changed": "password"}}
				if err := r.commit(cmd.Context(), audit.UserChanged, about, oauth.StoreUser{User: user}); err != nil {
					return err
				}
				return c.done(shownUser(user), "%s has a new password", user.Username)
			})
		},
	}
}

func (r *registrar) user(ctx context.Context, username string) (oauth.User, error) {
	user, err := r.db.UserByName(ctx, username)
	if errors.Is(err, oauth.ErrNotFound) {
		return user, next(fmt.Errorf("there is no user %q", username), "signet user list shows all")
	}
	return user, err
}

func (c *console) userSwitchCommand(verb, short string, disable bool) *cobra.Command {
	event := audit.UserEnabled
	if disable {
		event = audit.UserDisabled
	}
	return &cobra.Command{
		Use: verb + " USERNAME", Short: short, Args: exactArgs("USERNAME"),
		Example: "  signet user " + verb + " alice",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withRegistrar(cmd.Context(), false, func(r *registrar) error {
				user, err := r.user(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if user.Disabled == disable {
					return c.done(shownUser(user), "%s is %sd already", user.Username, verb)
				}
				user.Disabled = disable
				if disable {
					user.ValidFrom = c.clock() // enabling it again revives no login
				}
				if err := r.commit(cmd.Context(), event, oauth.AuditEntry{Subject: user.ID}, oauth.StoreUser{User: user}); err != nil {
					return err
				}
				return c.done(shownUser(user), "%s is %sd", user.Username, verb)
			})
		},
	}
}

// askSecret asks twice at a terminal, without echo; otherwise it reads one line from standard input. A
// secret is never a flag: flags are visible to every process and stay in the shell's history.
func (c *console) askSecret(ctx context.Context, what, username string) (oauth.Secret, error) {
	lines := bufio.NewReader(io.LimitReader(c.in, 64<<10))
	terminal, ok := c.in.(*os.File)
	if !ok || !isTerminal(terminal) {
		secret, err := lines.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if secret = strings.TrimRight(secret, "\r\n"); secret == "" {
			return "", next(fmt.Errorf("no %s on standard input", what), "pipe it in, or run this at a terminal to be asked")
		}
		return oauth.Secret(secret), nil
	}
	restore, err := hideInput(ctx, terminal)
	if err != nil {
		return "", err
	}
	defer restore()
	var answers [2]string
	for i, question := range []string{"New " + what + " for " + username + ": ", "Again: "} {
		_, _ = fmt.Fprint(c.err, question)
		if answers[i], err = lines.ReadString('\n'); err != nil {
			return "", err
		}
		_, _ = fmt.Fprintln(c.err)
	}
	if answers[0] != answers[1] {
		return "", errors.New("the two answers differ; nothing was changed")
	}
	return oauth.Secret(strings.TrimRight(answers[0], "\r\n")), nil
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && file.Name() != os.DevNull
}

// hideInput turns the terminal's echo off; the returned function turns it on again.
func hideInput(ctx context.Context, terminal *os.File) (restore func(), err error) {
	stty := func(ctx context.Context, mode string) error {
		cmd := exec.CommandContext(ctx, "stty", mode) //nolint:gosec // one of two constants
		cmd.Stdin = terminal
		return cmd.Run()
	}
	if err := stty(ctx, "-echo"); err != nil {
		return nil, next(fmt.Errorf("cannot hide the input: %w", err), "pipe the secret in on standard input")
	}
	return func() { _ = stty(context.WithoutCancel(ctx), "echo") }, nil
}

// usernameOf is for people; a user who is gone keeps the id.
func (r *registrar) usernameOf(ctx context.Context, id string) string {
	if user, err := r.db.User(ctx, id); err == nil {
		return user.Username
	}
	return id
}
