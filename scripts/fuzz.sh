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
# run fuzzes one target. The go command sometimes reports its own deadline as a
# failure; such a run has written no failing input, and is repeated.
run() {
	for try in 1 2 3; do
		log=$(${GO:-go} test -run '^$' -fuzz "^$2\$" -fuzztime "$time" -fuzzminimizetime 5s "$1" 2>&1) && return 0
		case $log in
		*'Failing input written'*) return 1 ;;
		*'context deadline exceeded'*) echo "        no finding, but out of time: again ($try)" ;;
		*) return 1 ;;
		esac
	done
	return 1
}

printf '%s\n' "$targets" | while read -r package target; do
	echo "    fuzz $time $target  ($package)"
	run "$package" "$target" </dev/null || { printf '%s\n' "$log" >&2; exit 1; }
	printf '%s\n' "$log" | awk '/^fuzz: elapsed/ { last = $0 } END { print "        " last }'
done
