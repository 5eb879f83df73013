package processtest

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"strconv"
	"sync"
)

// Ports are taken from below those that kernels give to outgoing connections and to listeners on port 0, so that a
// killed server finds its own free when it starts again.
const lowestPort, highestPort = 10000, 32000

var ports struct {
	sync.Mutex
	given map[int]bool
}

// FreePort finds a port of loopback that nobody listens on and that nothing else in this binary was given. Another
// program may still take it before it is used.
func FreePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	for range 1000 {
		var random [8]byte
		_, _ = rand.Read(random[:])                                                           // never fails
		port := lowestPort + int(binary.BigEndian.Uint64(random[:])%(highestPort-lowestPort)) // #nosec G115 -- small
		if ports.given[port] {
			continue
		}
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			continue
		}
		ports.given[port] = true
		return port, listener.Close()
	}
	return 0, errors.New("no free port")
}
