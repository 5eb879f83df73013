package keys

import (
	"slices"
	"time"

	"signet/provider/jose"
)

// State is where a key stands in its life.
type State string

// A key's states, in order. After the last it is neither published nor kept. A decryption key decrypts in the first three,
// and has no other.
const (
	Next     State = "next"     // published, does not sign yet; a decryption key is not published yet
	Active   State = "active"   // signs; a decryption key is published
	Previous State = "previous" // published until what it signed has expired; a decryption key is not published any more
	// Archived is for keys to sign alone, where Options.ArchiveFor says so: such a key is in the archived key set.
	Archived State = "archived"
)

// Info describes a key.
type Info struct {
	Kid         string    `json:"kid"`
	Alg         string    `json:"alg"`
	Use         string    `json:"use"` // as in its JWK: jose.UseSignature or jose.UseEncryption
	State       State     `json:"state"`
	CreatedAt   time.Time `json:"created_at"`
	ActivatesAt time.Time `json:"activates_at"`
	// RetiresAt is when the key goes, or is archived; zero while no newer key is there to replace it.
	RetiresAt time.Time `json:"retires_at,omitzero"`
	// ArchivedUntil is when it goes from the archive, too; zero where it has not retired, or there is none.
	ArchivedUntil time.Time `json:"archived_until,omitzero"`
}

// published says whether the key is in the key set. Of decryption keys only the active one is: another process may not
// know the next one yet, and what is encrypted to a previous one may come after it is gone.
func (i Info) published() bool {
	return i.State == Active || i.Use == jose.UseSignature && i.State != Archived
}

// line is the keys of one algorithm, oldest first.
type line []entry

type entry struct {
	Key
	header jose.Header
}

// active returns the position of the key in use: the newest whose time has come. The oldest needs no
// wait, as nobody can have cached a key set without it; so a slow clock cannot leave the line without one.
func (l line) active(now time.Time) int {
	for i := len(l) - 1; i > 0; i-- {
		if !now.Before(l[i].ActivatesAt) {
			return i
		}
	}
	return 0
}

// retiresAt is when nobody needs key i any more: keep after its successor took over. Zero if none will.
func (l line) retiresAt(i int, keep time.Duration) time.Time {
	if i+1 >= len(l) {
		return time.Time{}
	}
	return l[i+1].ActivatesAt.Add(keep)
}

// infos judges every key of the line at one time; retired are those to be destroyed. Keys to sign are archived for some
// time before.
func (l line) infos(now time.Time, keep, archive time.Duration) (kept []Info, retired []string) {
	active := l.active(now)
	for i, key := range l {
		info := Info{
			Kid: key.Kid, Alg: key.Alg, Use: jose.Use(key.Alg),
			CreatedAt: key.CreatedAt, ActivatesAt: key.ActivatesAt, RetiresAt: l.retiresAt(i, keep),
		}
		switch {
		case i > active:
			info.State = Next
		case i == active:
			info.State = Active
		case !now.Before(info.RetiresAt):
			info.State, info.ArchivedUntil = Archived, info.RetiresAt.Add(archive)
			if info.Use != jose.UseSignature || !now.Before(info.ArchivedUntil) {
				retired = append(retired, key.Kid)
				continue
			}
		default:
			info.State = Previous
		}
		kept = append(kept, info)
	}
	return kept, retired
}

// lines sorts keys by algorithm and age.
func lines(list []Key) (map[string]line, error) {
	sorted := slices.SortedFunc(slices.Values(list), compare)
	byAlg := make(map[string]line)
	for _, key := range sorted {
		header, err := jose.NewHeader(key.Alg, key.Kid)
		if err != nil {
			return nil, err
		}
		byAlg[key.Alg] = append(byAlg[key.Alg], entry{key, header})
	}
	return byAlg, nil
}
