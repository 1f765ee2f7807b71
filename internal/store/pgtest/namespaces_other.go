//go:build !linux

package pgtest

import "errors"

func (c *Cluster) namespaced() (*Line, error) { return nil, errors.New("only Linux has them") }
