#!/bin/sh
# usage: scripts/fuzz.sh TIME [PACKAGE...]
#
# Fuzzes every target of the packages, or of the module, for TIME each (30s, 1m, 500x),
# and fails when there is none: a step that fuzzes nothing must not look like
# one that passed. A package is built once for all of its targets.
set -eu
time=${1:?usage: scripts/fuzz.sh TIME [PACKAGE...]}
shift
go=${GO:-go}
found=$($go list -f '{{.Dir}}' "${@:-./...}" | while read -r folder; do
	if grep -qsE '^func Fuzz[A-Z]' "$folder"/*_test.go; then echo "$folder"; fi
done)
if [ -z "$found" ]; then
	echo "fuzz: no fuzz target found" >&2
	exit 1
fi
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
kept=$($go env GOCACHE)/fuzz # where the go command keeps what it found, too

# run fuzzes one target of the package in the folder that it stands in. The
# deadline itself is sometimes reported as a failure; such a run has written no
# failing input, and is repeated.
run() {
	for try in 1 2 3; do
		log=$("$built/test" -test.run '^$' -test.fuzz "^$1\$" -test.fuzztime "$time" -test.fuzzminimizetime 5s \
			-test.fuzzcachedir "$kept/$2" 2>&1 </dev/null) && return 0
		case $log in
		*'Failing input written'*) return 1 ;;
		*'context deadline exceeded'*) echo "        no finding, but out of time: again ($try)" ;;
		*) return 1 ;;
		esac
	done
	return 1
}

for folder in $found; do
	package=$($go list "$folder")
	$go test -c -fuzz=. -o "$built/test" "$folder"
	(
		cd "$folder"
		for target in $("$built/test" -test.list '^Fuzz'); do
			echo "    fuzz $time $target  ($package)"
			run "$target" "$package" || { printf '%s\n' "$log" >&2; exit 1; }
			printf '%s\n' "$log" | awk '/^fuzz: elapsed/ { last = $0 } END { print "        " last }'
		done
	)
done
