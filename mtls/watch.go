package mtls

import (
	"context"
	"fmt"
	"time"
)

// Watch reloads the items at each interval until ctx ends; it blocks. It reports each reload that changed something
// (err nil), a failure once until its text changes, and (err nil) that it is over. What names the item: its String
// method, or its type. Items compare the contents of their files, not their times, so that a change is never missed.
func Watch(ctx context.Context, every time.Duration, report func(what string, err error), items ...interface{ Reload() (bool, error) }) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	failing := make([]string, len(items))
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for i, item := range items {
			changed, err := item.Reload()
			text := ""
			if err != nil {
				text = err.Error()
			}
			if changed || text != failing[i] {
				report(itemName(item), err)
			}
			failing[i] = text
		}
	}
}

func itemName(item any) string {
	if named, ok := item.(fmt.Stringer); ok {
		return named.String()
	}
	return fmt.Sprintf("%T", item)
}
