package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"

	"signet/provider/oauth"
)

// What the columns say of a request's status and of its polls wins over its data.
const (
	selectBackchannel   = `SELECT data, digest, status, poll_interval, next_poll FROM backchannel_requests WHERE digest = ?`
	selectBackchannelID = `SELECT data, digest, status, poll_interval, next_poll FROM backchannel_requests WHERE request_id = ?`
	selectPending       = `SELECT data, digest, status, poll_interval, next_poll FROM backchannel_requests
		WHERE user_id = ? AND status = 'pending' AND expires_at > ? ORDER BY seq DESC LIMIT ?`
	insertBackchannel = `INSERT INTO backchannel_requests
		(digest, request_id, user_id, grant_id, status, poll_interval, next_poll, expires_at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	answerBackchannel = `UPDATE backchannel_requests SET status = ?, grant_id = ?, data = ? WHERE digest = ? AND status = 'pending'`
	pollBackchannel   = `UPDATE backchannel_requests SET next_poll = ?, poll_interval = ? WHERE digest = ? AND next_poll = ?`
	redeemBackchannel = `UPDATE backchannel_requests SET status = 'redeemed', used_at = ? WHERE digest = ? AND status = 'approved'
		AND (grant_id = '' OR EXISTS (SELECT 1 FROM grants WHERE grant_id = backchannel_requests.grant_id AND revoked_at IS NULL ` + sharedLock + `))`
)

// maxPending is the most requests that a user is shown at once.
const maxPending = 50

// Backchannel returns a backchannel authentication request by its auth_req_id, whatever became of it. It is kept
// for an hour after it expired. Absent: [oauth.ErrNotFound].
func (s *Store) Backchannel(ctx context.Context, digest oauth.Digest) (oauth.Backchannel, error) {
	return s.backchannel(ctx, selectBackchannel, digest[:])
}

// BackchannelByID is [Store.Backchannel] by the public id.
func (s *Store) BackchannelByID(ctx context.Context, id string) (oauth.Backchannel, error) {
	return s.backchannel(ctx, selectBackchannelID, id)
}

func (s *Store) backchannel(ctx context.Context, query string, key driver.Value) (request oauth.Backchannel, err error) {
	err = s.readers.point(ctx, query, values(key), func(row []driver.Value) (err error) {
		request, err = backchannelOf(row)
		return err
	})
	return request, absent(err, "backchannel authentication request")
}

// PendingBackchannels returns the requests that wait for a user's answer and have not expired at now, the newest
// 50, newest first.
func (s *Store) PendingBackchannels(ctx context.Context, userID string, now time.Time) (pending []oauth.Backchannel, err error) {
	args := values(userID, micros(now), int64(maxPending))
	err = s.readers.few(ctx, selectPending, args, func(row []driver.Value) error {
		request, err := backchannelOf(row)
		pending = append(pending, request)
		return err
	})
	return pending, err
}

func backchannelOf(row []driver.Value) (request oauth.Backchannel, err error) {
	err = decode(row[0], &request)
	request.Digest, request.Status = digestOf(row[1]), oauth.BackchannelStatus(text(row[2]))
	request.Interval, request.NextPoll = int(integer(row[3])), timeOf(row[4])
	return request, err
}

func (p *plan) storeBackchannel(c oauth.StoreBackchannel) error {
	r := c.Request
	if r.Status != oauth.BackchannelPending {
		return fmt.Errorf("store: a new backchannel request is %q", r.Status)
	}
	data, err := encode(r)
	if err != nil {
		return err
	}
	p.do(c, anything, insertBackchannel, r.Digest[:], r.ID, r.UserID, r.GrantID, string(r.Status),
		int64(r.Interval), micros(r.NextPoll), micros(r.ExpiresAt), data)
	return nil
}

func (p *plan) answerBackchannel(c oauth.AnswerBackchannel) error {
	r := c.Request
	if r.Status != oauth.BackchannelApproved && r.Status != oauth.BackchannelDenied {
		return fmt.Errorf("store: %q is no answer to a backchannel request", r.Status)
	}
	data, err := encode(r)
	if err != nil {
		return err
	}
	p.do(c, rowChanged, answerBackchannel, string(r.Status), r.GrantID, data, r.Digest[:])
	return nil
}

func (p *plan) pollBackchannel(c oauth.PollBackchannel) {
	p.do(c, rowChanged, pollBackchannel, micros(c.NextPoll), int64(c.Interval), c.Digest[:], micros(c.Seen))
}

// redeemBackchannel conflicts also when the grant that came with the approval has been revoked since.
func (p *plan) redeemBackchannel(c oauth.RedeemBackchannel) {
	p.do(c, rowChanged, redeemBackchannel, micros(c.At), c.Digest[:])
}
