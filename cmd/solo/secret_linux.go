package main

import "golang.org/x/sys/unix"

// hideEnvironment keeps other processes of this user, the steps among them,
// from reading the token out of /proc/PID/environ. Root still can.
func hideEnvironment() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }
