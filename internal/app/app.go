// Package app wires the rooms together: configuration, data folder, start,
// hot reload and stop of the service, and what the commands do offline.
//
// It is the only package that reads the clock, the environment and the random
// source, and it refuses to start what would not be safe.
package app
