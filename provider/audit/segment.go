package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"

	"signet/provider/oauth"
)

const (
	maxEntryBytes = 64 << 10
	checksumChars = 8
	// recallBytes is how long a segment may get and still be remembered: delivering from memory saves
	// reading back what was just written, which is a third of an entry's whole cost.
	recallBytes = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged says that bytes in a segment are not what was written.
var errDamaged = errors.New("damaged audit entry")

// segment is a file of entries, one per line: CRC-32C of the JSON in hex, a space, the JSON.
type segment struct {
	home    *home
	file    *os.File
	size    int64 // of the complete lines
	done    int64 // how much of it is in the sink
	torn    bool  // an incomplete line follows the complete ones
	dirty   bool  // appended to since the last sync
	named   bool  // its name is on the disk too
	damaged int   // lines that could not be read

	// recalled says that recent is all of the segment that is not yet in the sink.
	recalled bool
	recent   []remembered
}

// remembered is an entry of a segment and the length of its line.
type remembered struct {
	change oauth.Change
	bytes  int64
}

// append writes one line in one write(2). When that fails half-way, the rest of the file stays as it was.
func (g *segment) append(entry oauth.AuditEntry, line []byte) error {
	n, err := g.file.WriteAt(line, g.size)
	if err != nil {
		if n > 0 {
			g.torn = g.file.Truncate(g.size) != nil
		}
		return err
	}
	g.size += int64(len(line))
	g.dirty = true
	if g.recalled = g.recalled && g.size <= recallBytes; g.recalled {
		g.recent = append(g.recent, remembered{oauth.RecordAudit{Entry: entry}, int64(len(line))})
	} else {
		g.recent = nil
	}
	return nil
}

// remove deletes the segment; when it was the last that a dead process left, nothing of that process stays.
func (g *segment) remove(own *home) error {
	var err error
	if path := g.file.Name(); g.damaged > 0 {
		err = os.Rename(path, path+".damaged") // for a person to look at
	} else {
		err = os.Remove(path)
	}
	err = errors.Join(err, g.file.Close())
	g.home.segments--
	if g.home != own && g.home.segments == 0 {
		err = errors.Join(err, g.home.release())
	}
	return err
}

func encodeLine(entry oauth.AuditEntry) ([]byte, error) {
	if entry.ID == "" {
		return nil, errors.New("audit entry without an id")
	}
	text, err := json.Marshal(entry)
	if err != nil {
		return nil, fmt.Errorf("audit entry: %w", err)
	}
	if len(text) > maxEntryBytes {
		return nil, fmt.Errorf("audit entry has %d bytes, %d are allowed", len(text), maxEntryBytes)
	}
	line := make([]byte, 0, checksumChars+1+len(text)+1)
	line = fmt.Appendf(line, "%0*x ", checksumChars, crc32.Checksum(text, castagnoli))
	line = append(line, text...)
	return append(line, '\n'), nil
}

// decodeLine reads what encodeLine wrote, without the newline. Errors wrap errDamaged.
func decodeLine(line []byte) (oauth.AuditEntry, error) {
	checksum, text, found := bytes.Cut(line, []byte(" "))
	if !found || len(checksum) != checksumChars {
		return oauth.AuditEntry{}, fmt.Errorf("%w: no checksum", errDamaged)
	}
	want, err := strconv.ParseUint(string(checksum), 16, 32)
	if err != nil || uint64(crc32.Checksum(text, castagnoli)) != want {
		return oauth.AuditEntry{}, fmt.Errorf("%w: the checksum differs", errDamaged)
	}
	var entry oauth.AuditEntry
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // large numbers in Detail stay exact
	if err := decoder.Decode(&entry); err != nil || entry.ID == "" {
		return oauth.AuditEntry{}, fmt.Errorf("%w: not an entry", errDamaged)
	}
	return entry, nil
}

// batch is what goes to the sink at once.
type batch struct {
	changes []oauth.Change
	bytes   int64   // how much of the segment it covers, damaged lines included
	damage  []error // lines that cannot be read
	tail    int     // bytes of an incomplete last line
}

// readBatch reads up to limit entries. io.EOF comes with the last batch, which may be empty.
func readBatch(r *bufio.Reader, limit int) (batch, error) {
	var b batch
	for len(b.changes) < limit {
		line, err := r.ReadBytes('\n')
		if err != nil {
			// A line without its newline was never acknowledged: its writer died in the middle of it.
			b.tail = len(line)
			b.bytes += int64(len(line))
			return b, err
		}
		b.bytes += int64(len(line))
		entry, err := decodeLine(line[:len(line)-1])
		if err != nil {
			b.damage = append(b.damage, err)
			continue
		}
		b.changes = append(b.changes, oauth.RecordAudit{Entry: entry})
	}
	return b, nil
}

// batches returns a function that gives the batches that are not yet in the sink, one after the other;
// io.EOF comes with the last.
func (g *segment) batches(limit int) func() (batch, error) {
	if g.recalled {
		return func() (batch, error) { return g.recallBatch(limit) }
	}
	r := bufio.NewReaderSize(io.NewSectionReader(g.file, g.done, g.size-g.done), 64<<10)
	return func() (batch, error) { return readBatch(r, limit) }
}

func (g *segment) recallBatch(limit int) (b batch, err error) {
	if len(g.recent) <= limit {
		limit, err = len(g.recent), io.EOF
	}
	for _, r := range g.recent[:limit] {
		b.changes = append(b.changes, r.change)
		b.bytes += r.bytes
	}
	return b, err
}

// delivered notes that a batch is in the sink.
func (g *segment) delivered(b batch) {
	g.done += b.bytes
	g.damaged += len(b.damage)
	if g.recalled {
		g.recent = g.recent[len(b.changes):]
	}
}
