package store

import (
	"context"
	"database/sql/driver"

	"signet/provider/oauth"
)

const (
	selectUser       = `SELECT data FROM users WHERE user_id = ?`
	selectUserByName = `SELECT data FROM users WHERE username = ?`
	selectUsers      = `SELECT data FROM users ORDER BY username`
	deleteUser       = `DELETE FROM users WHERE user_id = ?`
	insertUser       = `INSERT INTO users (user_id, username, data) VALUES (?, ?, ?)`
)

// User returns an account by its id. Absent: [oauth.ErrNotFound].
func (s *Store) User(ctx context.Context, id string) (oauth.User, error) {
	return s.user(ctx, selectUser, id)
}

// UserByName returns an account by its username, compared byte by byte. Absent: [oauth.ErrNotFound].
func (s *Store) UserByName(ctx context.Context, username string) (oauth.User, error) {
	return s.user(ctx, selectUserByName, username)
}

func (s *Store) user(ctx context.Context, query, key string) (user oauth.User, err error) {
	err = s.readers.point(ctx, query, values(key), func(row []driver.Value) error {
		return decode(row[0], &user)
	})
	return user, absent(err, "user")
}

// Users returns every account, ordered by username.
func (s *Store) Users(ctx context.Context) ([]oauth.User, error) {
	return list[oauth.User](ctx, s, selectUsers)
}

// storeUser conflicts on a username that another account has, also when it replaces an account.
func (p *plan) storeUser(c oauth.StoreUser) error {
	data, err := encode(c.User)
	if err != nil {
		return err
	}
	if !c.New {
		p.do(c, anything, deleteUser, c.User.ID)
	}
	p.do(c, newKey, insertUser, c.User.ID, c.User.Username, data)
	return nil
}
