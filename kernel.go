// Package kernel defines the words every other package speaks: a [Request]
// comes in, a [Decision] goes out, and an [Error] says why not.
//
// It is plain data and pure functions over it: no clock, no network, no disk,
// no randomness. The zero value of everything refuses.
package kernel
