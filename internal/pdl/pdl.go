// Package pdl compiles bundles of the Policy Definition Language: YAML
// documents around CEL conditions, in; a checked [Bundle], out.
//
// What it lets through cannot surprise later: every name exists, every type
// fits, every table is complete, and nothing that was written is ignored. What
// it refuses it refuses at a line and a column, with a sentence that says what
// to do.
package pdl
