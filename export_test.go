package kernel

// CanonicalByLibrary is Canonical as the generic encoder writes it: the oracle
// of the writer for requests.
func (r Request) CanonicalByLibrary() ([]byte, error) { return r.canonicalByLibrary() }
