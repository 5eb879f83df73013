package file

// Cheap makes opening a new directory fast, for tests.
func Cheap(opt Options) Options {
	opt.derivation = kdf{Time: 1, Memory: 8 << 10, Threads: 1}
	return opt
}
