package kernel

// CanonicalByLibrary is Canonical as the generic encoder writes it: the oracle
// of the writer for requests.
func (r Request) CanonicalByLibrary() ([]byte, error) { return r.canonicalByLibrary() }

// DecodeJSONByLibrary is DecodeJSON as the library reads it: the oracle of the
// fast reader.
func DecodeJSONByLibrary(data []byte) (any, error) { return decodeByLibrary(data) }
