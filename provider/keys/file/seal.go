package file

import "context"

// Seal implements keys.Sealer.
func (b *Backend) Seal(_ context.Context, plaintext, context []byte) ([]byte, error) {
	return b.data.Seal(plaintext, context)
}

// Open implements keys.Sealer.
func (b *Backend) Open(_ context.Context, sealed, context []byte) ([]byte, error) {
	return b.data.Open(sealed, context)
}
