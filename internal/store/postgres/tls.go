package postgres

import "crypto/tls"

// verifies reports whether a TLS configuration proves who answers. The library
// checks the chain itself for sslmode=verify-ca, in a callback.
func verifies(c *tls.Config) bool {
	return !c.InsecureSkipVerify || c.VerifyPeerCertificate != nil || c.VerifyConnection != nil
}
