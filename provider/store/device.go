package store

import (
	"context"
	"database/sql/driver"
	"fmt"

	"signet/provider/oauth"
)

// What the columns say of a request's status and of its polls wins over its data.
const (
	selectDevice         = `SELECT data, digest, user_code, status, poll_interval, next_poll FROM device_requests WHERE digest = ?`
	selectDeviceUserCode = `SELECT data, digest, user_code, status, poll_interval, next_poll FROM device_requests WHERE user_code = ?`
	// A request that waits no more gives its user code back.
	freeUserCode = `UPDATE device_requests SET user_code = NULL WHERE user_code = ? AND (status <> 'pending' OR expires_at <= ?)`
	insertDevice = `INSERT INTO device_requests
		(digest, user_code, grant_id, status, poll_interval, next_poll, expires_at, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	answerDevice = `UPDATE device_requests SET status = ?, grant_id = ?, data = ? WHERE digest = ? AND status = 'pending'`
	pollDevice   = `UPDATE device_requests SET next_poll = ?, poll_interval = ? WHERE digest = ? AND next_poll = ?`
	redeemDevice = `UPDATE device_requests SET status = 'redeemed', used_at = ? WHERE digest = ? AND status = 'approved'
		AND EXISTS (SELECT 1 FROM grants WHERE grant_id = device_requests.grant_id AND revoked_at IS NULL ` + sharedLock + `)`
)

// DeviceRequest returns a device authorization request by its device_code, whatever became of it. It is kept for an
// hour after it expired. Absent: [oauth.ErrNotFound].
func (s *Store) DeviceRequest(ctx context.Context, digest oauth.Digest) (oauth.DeviceRequest, error) {
	return s.device(ctx, selectDevice, digest)
}

// DeviceRequestByUserCode is [Store.DeviceRequest] by the user_code: of several that had it, the last one.
func (s *Store) DeviceRequestByUserCode(ctx context.Context, userCode oauth.Digest) (oauth.DeviceRequest, error) {
	return s.device(ctx, selectDeviceUserCode, userCode)
}

func (s *Store) device(ctx context.Context, query string, key oauth.Digest) (request oauth.DeviceRequest, err error) {
	err = s.readers.point(ctx, query, values(key[:]), func(row []driver.Value) error {
		err := decode(row[0], &request)
		request.Digest, request.UserCode = digestOf(row[1]), digestOf(row[2])
		request.Status = oauth.DeviceStatus(text(row[3]))
		request.Interval, request.NextPoll = int(integer(row[4])), timeOf(row[5])
		return err
	})
	return request, absent(err, "device authorization request")
}

func (p *plan) storeDevice(c oauth.StoreDevice) error {
	r := c.Request
	if r.Status != oauth.DevicePending {
		return fmt.Errorf("store: a new device request is %q", r.Status)
	}
	data, err := encode(r)
	if err != nil {
		return err
	}
	p.do(c, anything, freeUserCode, r.UserCode[:], micros(r.CreatedAt))
	p.do(c, newKey, insertDevice, r.Digest[:], r.UserCode[:], r.GrantID, string(r.Status),
		int64(r.Interval), micros(r.NextPoll), micros(r.ExpiresAt), data)
	return nil
}

func (p *plan) answerDevice(c oauth.AnswerDevice) error {
	r := c.Request
	if r.Status != oauth.DeviceApproved && r.Status != oauth.DeviceDenied {
		return fmt.Errorf("store: %q is no answer to a device request", r.Status)
	}
	data, err := encode(r)
	if err != nil {
		return err
	}
	p.do(c, rowChanged, answerDevice, string(r.Status), r.GrantID, data, r.Digest[:])
	return nil
}

func (p *plan) pollDevice(c oauth.PollDevice) {
	p.do(c, rowChanged, pollDevice, micros(c.NextPoll), int64(c.Interval), c.Digest[:], micros(c.Seen))
}

// redeemDevice conflicts also when the grant that came with the approval is gone or has been revoked since.
func (p *plan) redeemDevice(c oauth.RedeemDevice) {
	p.do(c, rowChanged, redeemDevice, micros(c.At), c.Digest[:])
}
