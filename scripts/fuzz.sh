#!/bin/sh
# usage: scripts/fuzz.sh TIME
#
# Fuzzes every target of the module for TIME each (30s, 1m), and fails when
# there is none: a step that fuzzes nothing must not look like one that passed.
set -eu
time=${1:?usage: scripts/fuzz.sh TIME}
listed=$(${GO:-go} test -list '^Fuzz' ./...)
targets=$(printf '%s\n' "$listed" | awk '/^Fuzz/ { name[++n] = $1 }
	/^ok/ { for (i = 1; i <= n; i++) print $2, name[i]; n = 0 }')
if [ -z "$targets" ]; then
	echo "fuzz: no fuzz target found" >&2
	exit 1
fi
printf '%s\n' "$targets" | while read -r package target; do
	echo "    fuzz $time $target  ($package)"
	log=$(${GO:-go} test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 5s "$package" 2>&1) ||
		{ printf '%s\n' "$log" >&2; exit 1; }
	printf '%s\n' "$log" | awk '/^fuzz: elapsed/ { last = $0 } END { print "        " last }'
done
