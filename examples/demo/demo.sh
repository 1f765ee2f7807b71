#!/bin/sh
# The demo: a kernel decides, records first, asks people, ships with solo, and proves it.
#
# usage: demo.sh [BIN]     BIN is the folder with kernel and solo; else PATH
#
# Needs kernel, solo, Go (to build the storefront) and a POSIX shell. Works in
# a temporary folder, on a free port of this machine, and leaves nothing behind.
# Exits 0 only if every step did what it says.
set -eu

[ $# -eq 0 ] || PATH=$(cd "$1" && pwd):$PATH
repo=$(cd "$(dirname "$0")/../.." && pwd)

# Nothing of the user's own kernel takes part.
for name in $(env | sed -n 's/^\(KERNEL_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done

bold='' dim='' red='' green='' off=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
	esc=$(printf '\033')
	bold="${esc}[1m" dim="${esc}[2m" red="${esc}[31m" green="${esc}[32m" off="${esc}[0m"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/kernel-demo.XXXXXX")
kernel_pid='' solo_pid=''
stop_kernel() {
	[ -n "$kernel_pid" ] || return 0
	kill "$kernel_pid" 2>/dev/null || :
	wait "$kernel_pid" 2>/dev/null
	set -- $?
	kernel_pid=''
	return "$1"
}
cleanup() {
	code=$?
	trap - EXIT INT TERM HUP
	[ -z "$solo_pid" ] || kill "$solo_pid" 2>/dev/null || :
	stop_kernel || :
	cd /
	rm -rf "$work"
	exit "$code"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

heading() { printf '\n%s%s%s\n' "$bold" "$*" "$off"; }
good() { printf '%s✓ %s%s\n' "$green" "$*" "$off"; }
fail() {
	printf '%s✗ %s%s\n' "$red" "$*" "$off" >&2
	[ ! -s "$work/kernel.err" ] || sed 's/^/  kernel: /' "$work/kernel.err" >&2
	exit 1
}

# run CODE LINE shows a command line and what it prints, and insists on its
# exit code. What it printed stays in $work/out.
run() {
	printf '%s$ %s%s\n' "$dim" "$2" "$off"
	{
		got=0
		(eval "$2") 2>&1 || got=$?
		printf '%s' "$got" >"$work/code"
	} | tee "$work/out" | sed 's/^/  /'
	got=$(cat "$work/code")
	[ "$got" -eq "$1" ] || fail "exit code $got, not $1"
}

# says TEXT insists that the last command printed it.
says() { grep -q -F -- "$1" "$work/out" || fail "it did not say: $1"; }

# offset FILE TEXT prints where in a file a text begins, in bytes from 0.
offset() {
	od -An -v -tx1 "$1" | tr -d ' \n' | awk -v n="$(printf '%s' "$2" | od -An -v -tx1 | tr -d ' \n')" '{
		s = $0
		while ((i = index(s, n)) > 0) {
			if ((at + i - 1) % 2 == 0) { print (at + i - 1) / 2; exit }
			at += i
			s = substr(s, i + 1)
		}
	}'
}

# request FILE TYPE ENVIRONMENT writes what the Shipping Factory asks.
request() {
	cat >"$1" <<-END
		{"agent": {"id": "agent-001"}, "action": "ship",
		 "resource": {"type": "$2", "id": "storefront", "environment": "$3"},
		 "params": {"actions": ["build", "test", "deploy"]}}
	END
}

cd "$work"
cp -R "$repo/policies/shipping" policies
cp -R "$repo/examples/storefront" storefront
rm -rf storefront/build storefront/deployed storefront/.solo

heading '1. A kernel starts, with its log in SQLite'
printf '%s$ %s%s\n' "$dim" 'kernel serve --policies policies --data data --listen 127.0.0.1:0 &' "$off"
kernel serve --policies policies --data data --listen 127.0.0.1:0 2>kernel.err &
kernel_pid=$!
KERNEL_SERVER='' tries=0
while [ -z "$KERNEL_SERVER" ]; do
	kill -0 "$kernel_pid" 2>/dev/null || fail 'the kernel did not start'
	[ "$tries" -lt 300 ] || fail 'the kernel did not start in time'
	tries=$((tries + 1))
	sleep 0.1 2>/dev/null || sleep 1
	KERNEL_SERVER=$(sed -n 's/^listening on //p' kernel.err)
done
good "it answers at $KERNEL_SERVER"

heading '2. The Shipping Factory asks: one is allowed, one is denied, one needs approval'
request allowed.json page staging
run 0 'kernel decide --data data --request allowed.json'
says '"decision": "ALLOW"'
request denied.json content staging
run 3 'kernel decide --data data --request denied.json'
says '"decision": "DENY"'
request pending.json webapp production
run 4 'kernel decide --data data --request pending.json'
says '"decision": "REQUIRE_APPROVAL"'
says '"approvals_required": 2'
good 'each answer was on disk before it was given; the last one is pending'

heading '3. solo ships a web app to development, and not to production'
run 0 'kernel tokens create --data data --name solo --role gateway --agents agent-001 > token'
[ -s token ] || fail 'there is no token'
export KERNEL_SERVER
cd storefront
run 0 'solo ship --env development --token-file ../token'
says 'shipped storefront to development'
[ -x deployed/development/storefront ] || fail 'nothing was deployed'
run 4 'solo ship --env production --token-file ../token'
says '2 approvals required'
[ ! -e deployed/production ] || fail 'something was deployed to production'
cd ..
good 'development is deployed; production needs 2 approvals, and no step ran'

heading '4. Two people approve production; whoever owns the agent may not'
cat >people.yaml <<-END
	registry: v1
	people:
	  person-001: {roles: [approver]}
	  person-002: {roles: [approver]}
	  person-003: {roles: [approver]}
	agents:
	  agent-001:
	    owner: person-001
	    capabilities:
	      ship: {actions: [ship], resources: [{type: webapp, id: storefront}]}
END
run 0 'kernel registry apply --data data --file people.yaml'
for person in person-001 person-002 person-003; do
	kernel tokens create --data data --name "$person" --role approver --principal "$person" >"$person.token" ||
		fail "there is no token for $person"
done
cd storefront
printf '%s$ %s%s\n' "$dim" 'solo ship --env production --wait 60s --token-file ../token &' "$off"
solo ship --env production --wait 60s --token-file ../token >../ship.out 2>&1 &
solo_pid=$!
cd ..
ID='' tries=0
while [ -z "$ID" ]; do
	kill -0 "$solo_pid" 2>/dev/null || { cat ship.out; fail 'solo did not wait'; }
	[ "$tries" -lt 300 ] || fail 'solo asked nobody'
	tries=$((tries + 1))
	sleep 0.1 2>/dev/null || sleep 1
	ID=$(sed -n 's/.*kernel approvals approve \([0-9A-Z]*\).*/\1/p' ship.out)
done
run 0 "kernel approvals show $ID --token-file person-002.token"
run 1 "kernel approvals approve $ID --token-file person-001.token"
says 'whoever owns the agent may not vote'
run 0 "kernel approvals approve $ID --token-file person-002.token"
says 'is PENDING'
[ ! -e storefront/deployed/production ] || fail 'it was deployed with one vote'
run 0 "kernel approvals approve $ID --token-file person-003.token --reason 'seen with the team'"
says 'is APPROVED'
code=0
wait "$solo_pid" || code=$?
solo_pid=''
sed 's/^/  /' ship.out
[ "$code" -eq 0 ] || fail "solo ended with exit code $code"
cp ship.out out
says 'shipped storefront to production'
[ -x storefront/deployed/production/storefront ] || fail 'nothing was deployed to production'
run 0 'kernel grants list --data data --state settled'
good 'two votes of others made one ALLOW; its grant was redeemed, and settled'

heading '5. The kernel stops and signs its log; anyone can verify it'
stop_kernel || fail "the kernel ended with exit code $?"
run 0 'kernel log verify --data data'
says '7 decision'
run 0 'kernel log audit --data data'
good 'nothing was changed, cut off or left out, and every effect was allowed once'

heading '6. One byte is changed in a copy: 2 approvals become 1'
cp -R data copy
at=$(offset copy/kernel.db '"approvals_required":2')
[ -n "$at" ] || fail 'the byte to change was not found'
run 0 "printf 1 | dd of=copy/kernel.db bs=1 seek=$((at + 21)) conv=notrunc 2>/dev/null"
! cmp -s data/kernel.db copy/kernel.db || fail 'nothing was changed'
run 1 'kernel log verify --data copy'
says 'FAIL entry '
good 'it is caught, and the entry is named'

heading '7. Every decision is made again from what was recorded'
run 0 'kernel log replay --data data'
says '7 decisions evaluated again'
good 'every answer comes out as it did, byte for byte'

printf '\n%sEverything did what it says.%s\n' "$bold" "$off"
