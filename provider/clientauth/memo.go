package clientauth

import "sync"

// maxMemo bounds how many results a memo keeps.
const maxMemo = 4096

// memo keeps results that are a pure function of what is kept with them, by a registered name. The zero
// value is ready; it is safe for concurrent use.
type memo[V any] struct {
	mu   sync.RWMutex
	kept map[string]V
}

func (m *memo[V]) get(name string) (V, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, ok := m.kept[name]
	return v, ok
}

func (m *memo[V]) put(name string, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = make(map[string]V)
	}
	if _, ok := m.kept[name]; !ok && len(m.kept) >= maxMemo {
		for other := range m.kept { // any: all can be had again
			delete(m.kept, other)
			break
		}
	}
	m.kept[name] = v
}
